// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Completion", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct CompletionTests {
    @Test("the value reaches a task that waits for it, and one that comes later")
    func value() async {
        let early = Completion<Int>()
        early.complete(1)
        #expect(await early.wait {} == 1)

        let late = Completion<Int>()
        EventLoop.execute { late.complete(2) }
        #expect(await late.wait {} == 2)
    }

    @Test("only the first value counts")
    func firstValue() async {
        let completion = Completion<Int>()
        completion.complete(1)
        completion.complete(2)
        #expect(await completion.wait {} == 1)
    }

    @Test("a task that was cancelled before its wait is cancelled on the loop, after its earlier work")
    func cancelledBefore() async {
        var log: [String] = []
        let task = Task { @EventLoop in
            while !Task.isCancelled { await Task.yield() }
            let completion = Completion<String>()
            EventLoop.execute { log.append("before") }
            let value = await completion.wait {
                log.append("cancel")
                completion.complete("cancelled")
            }
            log.append(value)
        }
        task.cancel()
        await task.value
        #expect(log == ["before", "cancel", "cancelled"])
    }

    @Test("a value that was there before the cancellation wins, and every waiter gets one")
    func races() async {
        var outcomes: [String: Int] = [:]
        var random = SplitMix64(seed: 7)
        for _ in 0..<3000 {
            let completion = Completion<String>()
            let task = Task { @EventLoop in
                await completion.wait { completion.complete("cancelled") }
            }
            // From another thread, so that it meets the wait at any point.
            let pause = Int.random(in: 0..<200, using: &random)
            Task.detached {
                for _ in 0..<pause { withExtendedLifetime(pause) {} }
                task.cancel()
            }
            EventLoop.execute { EventLoop.execute { completion.complete("value") } }
            outcomes[await task.value, default: 0] += 1
        }
        #expect(outcomes.values.reduce(0, +) == 3000)
        #expect(Set(outcomes.keys).isSubset(of: ["value", "cancelled"]))
    }

    @Test("a wait ends at its deadline, and the deadline of a wait that has ended does nothing")
    func deadline() async throws {
        struct Late: Error, Equatable {}
        func wait(until deadline: ContinuousClock.Instant, _ value: Int?) async throws -> Int {
            try await Completion.run(until: deadline) { _ in
                Late()
            } _: { completion in
                if let value { completion.complete(.success(value)) }
            }
        }
        let start = ContinuousClock.now
        await #expect(throws: Late()) { try await wait(until: start + .milliseconds(50), nil) }
        #expect(.now - start >= .milliseconds(50))
        #expect(try await wait(until: start, 1) == 1)
    }

    @Test("the end is reported once, after the value")
    func end() async {
        let completion = Completion<Int>()
        var ends = 0
        completion.onEnd = { ends += 1 }
        completion.complete(1)
        completion.complete(2)
        #expect(ends == 1)
        #expect(await completion.wait {} == 1)
    }
}
