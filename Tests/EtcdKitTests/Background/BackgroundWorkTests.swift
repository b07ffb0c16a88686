// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("BackgroundWork", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct BackgroundWorkTests {
    @Test("work that was started again with the same job is waited for")
    func again() async {
        let work = BackgroundWork()
        let job = BackgroundJob()
        work.start(job) {}
        #expect(await job.wait(.seconds(30)))
        let isDone = Lock(false)
        // It needs the loop, which would be busy if closing did not wait.
        work.start(job) { @EventLoop in isDone.withLock { $0 = true } }
        await work.close(within: .seconds(30))
        #expect(isDone.withLock { $0 })
    }

    @Test("work that takes longer than the grace is cancelled, and so is all that is started afterwards")
    func grace() async {
        let work = BackgroundWork()
        let cancelled = Lock(0)
        let endless: @Sendable () async -> Void = {
            try? await Task.sleep(for: .seconds(3600))
            if Task.isCancelled { cancelled.withLock { $0 += 1 } }
        }
        work.start(BackgroundJob(), endless)
        await work.close(within: .milliseconds(50))
        #expect(cancelled.withLock { $0 } == 1)
        let late = BackgroundJob()
        work.start(late, endless)
        #expect(await late.wait(.seconds(30)))
        #expect(cancelled.withLock { $0 } == 2)
    }

    @Test("work that other work starts during the grace is waited for")
    func chain() async {
        let work = BackgroundWork()
        let isDone = Lock(false)
        work.start(BackgroundJob()) {
            work.start(BackgroundJob()) {
                await Task.pause(for: .milliseconds(20))
                if !Task.isCancelled { isDone.withLock { $0 = true } }
            }
        }
        await work.close(within: .seconds(30))
        #expect(isDone.withLock { $0 })
    }
}
