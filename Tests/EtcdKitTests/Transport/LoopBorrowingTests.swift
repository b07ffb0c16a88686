// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Testing

@testable import EtcdKit

@Suite("EventLoop: borrowed", .unit, .timeLimit(.minutes(1)))
struct LoopBorrowingTests {
    @EventLoop
    final class Log {
        var count = 0
        nonisolated init() {}
    }

    /// Tries until the loop waits, since other tests may use it.
    private func borrow<Result: Sendable>(_ operation: @EventLoop @Sendable () -> Result) async throws -> Result {
        for _ in 0..<1000 {
            if let result = EventLoop.borrow(operation) { return result }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw NeverBorrowed()
    }

    private struct NeverBorrowed: Error {}

    @Test("while the loop waits, a task owns it for a moment")
    func borrow() async throws {
        #expect(!EventLoop.shared.thread.isOwner)
        let state = try await borrow { (EventLoop.shared.thread.isOwner, EventLoop.isBorrowed) }
        #expect(state == (true, true))
        #expect(!EventLoop.shared.thread.isOwner)
        #expect(await Self.isBorrowed == false, "the control: the loop's own thread has not borrowed it")
    }

    @EventLoop
    private static var isBorrowed: Bool { EventLoop.isBorrowed }

    @Test("a busy loop cannot be borrowed, and a borrowed loop does no work of its own")
    func exclusion() async throws {
        let (isBusy, mayGoOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        EventLoop.execute {
            isBusy.signal()
            mayGoOn.wait()
        }
        // On a thread of its own, since the semaphores block.
        let outcome = Lock<Bool?>(nil)
        try Platform.startThread {
            isBusy.wait()
            let isBorrowed = EventLoop.borrow { true } != nil
            mayGoOn.signal()
            outcome.withLock { $0 = isBorrowed }
        }
        try await eventually("it has tried") { outcome.withLock { $0 } != nil }
        #expect(outcome.withLock { $0 } == false)

        let log = Log()
        let hasRun = try await borrow {
            EventLoop.execute { log.count += 1 }
            let (start, count) = (ContinuousClock.now, log.count)
            while .now < start + .milliseconds(20) {}
            return log.count != count
        }
        #expect(!hasRun)
        try await eventually("the loop goes on") { await log.count == 1 }
    }

    @Test("borrowing threads and the loop's own work never run at the same time")
    func race() async throws {
        let log = Log()
        let (threads, rounds) = (4, 5000)
        let borrowed = Lock(0)
        for _ in 0..<threads {
            try Platform.startThread {
                for _ in 0..<rounds {
                    if EventLoop.borrow({ log.count += 1 }) == nil {
                        EventLoop.execute { log.count += 1 }
                    } else {
                        borrowed.withLock { $0 += 1 }
                    }
                }
            }
        }
        try await eventually("all have counted") { await log.count >= threads * rounds }
        #expect(await log.count == threads * rounds)
        #expect(borrowed.withLock { $0 } > 0, "the control: some have borrowed it")
    }

    // The next two look at the outcome without the loop, since looking there would wake it.

    @Test("a timer that a borrower sets fires in time, also when the loop meant to wait for longer")
    func timer() async throws {
        let fired = Lock(0)
        for round in 1...20 {
            let later = await Self.schedule(at: .now + .seconds(60))
            _ = try await borrow { EventLoop.schedule(at: .now + .milliseconds(2)) { fired.withLock { $0 += 1 } } }
            try await eventually("the timer has fired") { fired.withLock { $0 } == round }
            await Self.cancel(later)
        }
    }

    @EventLoop
    private static func schedule(at deadline: ContinuousClock.Instant) -> EventLoop.Timer {
        EventLoop.schedule(at: deadline) {}
    }

    @EventLoop
    private static func cancel(_ timer: EventLoop.Timer) { EventLoop.cancel(timer) }

    @Test("a descriptor that a borrower watches is polled")
    func descriptor() async throws {
        let pipe = try Platform.makePipe()
        let reads = Lock(0)
        try await borrow {
            EventLoop.watch(pipe.read) { _ in
                Platform.drain(pipe.read)
                reads.withLock { $0 += 1 }
            }
        }
        Platform.wake(pipe.write)
        try await eventually("it was read") { reads.withLock { $0 } == 1 }
        EventLoop.close(pipe.read)
        EventLoop.close(pipe.write)
    }
}
