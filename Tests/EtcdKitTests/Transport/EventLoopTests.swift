// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

@Suite("EventLoop", .unit, .timeLimit(.minutes(1)))
struct EventLoopTests {
    /// The events on the loop, in order.
    @EventLoop
    final class Log {
        var entries: [Int] = []
        nonisolated init() {}
    }

    @Test("calls run in the order in which each thread made them")
    func orderOfCalls() async throws {
        let log = Log()
        let threads = 8
        let calls = 2000
        for thread in 0..<threads {
            try Platform.startThread {
                for number in 0..<calls { EventLoop.execute { log.entries.append(thread * calls + number) } }
            }
        }
        try await eventually("all calls have run") { await log.entries.count == threads * calls }
        let entries = await log.entries
        for thread in 0..<threads {
            #expect(entries.filter { $0 / calls == thread } == Array(thread * calls..<(thread + 1) * calls))
        }
    }

    @Test(
        "the loop's thread has the stack size that it asks for, whatever the system's default is",
        .enabled(if: Stack.isKnown)
    )
    func stack() async throws {
        // The size that is asked for is the least; glibc may reuse a larger stack.
        #expect(await Stack.size >= LoopThread.stackSize)
        // The control: the system's default is smaller.
        let size = Lock(0)
        try Platform.startThread { size.withLock { $0 = Stack.ownSize } }
        try await eventually("it has looked") { size.withLock { $0 } > 0 }
        #expect(size.withLock { $0 } < LoopThread.stackSize)
    }

    @Test("a call that a task makes before it enters the loop runs before it")
    func orderOfJobs() async {
        let log = Log()
        for number in 0..<500 {
            EventLoop.execute { log.entries.append(2 * number) }
            await Self.append(2 * number + 1, to: log)
        }
        #expect(await log.entries == Array(0..<1000))
    }

    @EventLoop
    private static func append(_ number: Int, to log: Log) { log.entries.append(number) }

    @Test("closures for the end of a turn run after the current work, also those that they add")
    func endOfTurn() async throws {
        let log = Log()
        EventLoop.execute {
            EventLoop.atEndOfTurn {
                log.entries.append(1)
                EventLoop.atEndOfTurn { log.entries.append(2) }
            }
            log.entries.append(0)
        }
        try await eventually("all has run") { await log.entries.count == 3 }
        #expect(await log.entries == [0, 1, 2])
    }

    @Test("timers fire in the order of their deadlines, not early, and not when they were cancelled")
    func timers() async throws {
        let log = Log()
        let early = Lock(0)
        await Task { @EventLoop in
            let start = ContinuousClock.now
            var random = SplitMix64(seed: 1)
            for number in (0..<60).shuffled(using: &random) {
                let deadline = start + .milliseconds(number)
                let timer = EventLoop.schedule(at: deadline) {
                    if ContinuousClock.now < deadline { early.withLock { $0 += 1 } }
                    log.entries.append(number)
                }
                if number % 3 == 0 { EventLoop.cancel(timer) }
            }
        }.value
        let expected = (0..<60).filter { $0 % 3 != 0 }
        try await eventually("all timers have fired") { await log.entries.count >= expected.count }
        #expect(await log.entries == expected)
        #expect(early.withLock { $0 } == 0)
    }

    @Test("a timer that is due can still be cancelled by one that fires before it")
    func cancelledByTimer() async throws {
        let log = Log()
        await Task { @EventLoop in
            let past = ContinuousClock.now
            let victim = EventLoop.schedule(at: past) { log.entries.append(2) }
            _ = EventLoop.schedule(at: past - .milliseconds(1)) {
                log.entries.append(1)
                EventLoop.cancel(victim)
            }
            _ = EventLoop.schedule(at: past + .milliseconds(1)) { log.entries.append(3) }
        }.value
        try await eventually("the last timer has fired") { await log.entries.last == 3 }
        #expect(await log.entries == [1, 3])
    }

    @Test("a ready descriptor gets no event once another's handler has unwatched it")
    @EventLoop
    func unwatchedByAnother() async throws {
        var calls = 0
        let pipes = try [Platform.makePipe(), Platform.makePipe()]
        for pipe in pipes {
            EventLoop.watch(pipe.read) { _ in
                calls += 1
                for pipe in pipes { EventLoop.unwatch(pipe.read) }
            }
        }
        for pipe in pipes { Platform.wake(pipe.write) }
        try await eventually("one handler was called") { calls > 0 }
        for pipe in pipes {
            Platform.close(pipe.read)
            Platform.close(pipe.write)
        }
        #expect(calls == 1)
    }

    @Test("a socket that is dropped off the loop is no longer watched when its descriptor is reused")
    func droppedSocket() async throws {
        let calls = Lock(0)
        let pipe = try Platform.makePipe()
        // So high that no other part of this process is given it meanwhile.
        let number = fcntl(pipe.read, F_DUPFD, 500)
        try #require(number >= 500)
        do {
            let socket = Socket(adopting: number)
            await watch(socket.descriptor, calls)
        }
        // The loop does things in order, so the socket is closed now.
        await Task { @EventLoop in }.value
        #expect(fcntl(number, F_GETFD) == -1 && dup2(pipe.read, number) == number)
        Platform.wake(pipe.write)
        for _ in 0..<10 { await Task { @EventLoop in }.value }
        #expect(calls.withLock { $0 } == 0)
        for descriptor in [number, pipe.read, pipe.write] { Platform.close(descriptor) }
    }

    @EventLoop
    private func watch(_ descriptor: Int32, _ calls: Lock<Int>) {
        EventLoop.watch(descriptor) { _ in calls.withLock { $0 += 1 } }
    }

    @Test("as a task executor, the loop runs nonisolated code and actors, but not code of other executors")
    func taskExecutor() async {
        actor Counter {
            var count = 0
            func increment() -> Bool {
                count += 1
                return Self.isOnLoop
            }
            static var isOnLoop: Bool { EventLoop.shared.thread.isIsolatingCurrentContext() == true }
        }
        let counter = Counter()
        #expect(!Counter.isOnLoop)
        await withTaskExecutorPreference(EtcdClient.executor) {
            #expect(Counter.isOnLoop)
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<100 { group.addTask { await counter.increment() } }
                for await isOnLoop in group { #expect(isOnLoop) }
            }
            #expect(await MainActor.run { !Counter.isOnLoop })
            let onLoop = await Task { @EventLoop in Counter.isOnLoop }.value
            #expect(onLoop)
            #expect(Counter.isOnLoop)
        }
        #expect(!Counter.isOnLoop)
        #expect(await counter.count == 100)
    }
}
