// SPDX-License-Identifier: Apache-2.0

/// The global actor of all network I/O.
///
/// Its executor is one thread that waits in `poll(2)`, so code marked `@EventLoop` owns sockets, HTTP/2 sessions and
/// timers without a lock, and the compiler proves that nobody else touches them. While the thread waits, a task may
/// briefly run on the loop in its place, to start a call; see ``borrow(_:)``. The loop is process-wide and never ends:
/// a job enqueued on it always runs.
///
/// > Important: Nothing isolated to the loop may block.
@globalActor
package actor EventLoop {
    package static let shared = EventLoop()

    /// The thread behind the actor.
    package nonisolated let thread = LoopThread()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Runs `operation` on the loop soon, in the order of these calls and of the jobs between them.
    package static func execute(_ operation: @escaping @Sendable @EventLoop () -> Void) {
        shared.thread.enqueue(.call(operation))
    }

    /// Runs `task` on the loop soon, in the order of these calls and of the jobs between them.
    static func execute(_ task: any LoopTask) {
        shared.thread.enqueue(.task(task))
    }

    /// Runs `operation` at once on the loop's thread, or while that thread waits: the loop is then borrowed.
    ///
    /// The caller avoids a thread switch. It must not run timers or call users' code.
    ///
    /// - Returns: The result of `operation`; nil if the loop is busy, and `operation` has not run.
    static func borrow<Result: Sendable>(_ operation: @EventLoop () -> Result) -> Result? {
        shared.thread.borrow(operation)
    }

    /// Runs `operation` at once, for code that is known to own the loop.
    nonisolated static func assumeIsolated<Result: Sendable>(_ operation: @EventLoop () -> Result) -> Result {
        precondition(shared.thread.isOwner, "not on the event loop")
        // The two function types differ in their isolation only, and the line above has checked it: this is how the
        // standard library implements `MainActor.assumeIsolated`.
        return withoutActuallyEscaping(operation) { escapable in
            unsafeBitCast(escapable, to: (() -> Result).self)()
        }
    }
}

extension EventLoop {
    /// The operations that a descriptor is ready for.
    package struct Readiness: Sendable {
        package let canRead: Bool
        package let canWrite: Bool
    }

    /// Names a timer of the loop.
    package typealias Timer = DeadlineHeap<LoopThread.Work>.ID

    /// Calls `handler` whenever `descriptor` can be read, until ``unwatch(_:)``.
    @EventLoop
    package static func watch(_ descriptor: Int32, _ handler: @escaping @EventLoop (Readiness) -> Void) {
        shared.thread.poller.watch(descriptor, handler)
    }

    /// Changes what the handler of `descriptor` is called for.
    @EventLoop
    package static func setInterest(of descriptor: Int32, read: Bool, write: Bool) {
        shared.thread.poller.setInterest(of: descriptor, read: read, write: write)
    }

    /// Forgets `descriptor`.
    @EventLoop
    package static func unwatch(_ descriptor: Int32) {
        shared.thread.poller.unwatch(descriptor)
    }

    /// Forgets `descriptor` and closes it, at once if this is the loop's thread.
    ///
    /// If it were closed elsewhere, its number could be reused while the loop still watches it.
    nonisolated static func close(_ descriptor: Int32) {
        let close: @Sendable @EventLoop () -> Void = {
            unwatch(descriptor)
            Platform.close(descriptor)
        }
        if shared.thread.isOwner { assumeIsolated(close) } else { execute(close) }
    }

    /// Calls `action` once at `deadline` or soon after it.
    @EventLoop
    package static func schedule(
        at deadline: ContinuousClock.Instant,
        _ action: @escaping @EventLoop () -> Void
    ) -> Timer {
        shared.thread.poller.schedule(.action(action), at: MonotonicInstant(deadline))
    }

    /// Calls `action` once at `deadline` or soon after it.
    @EventLoop
    static func schedule(atMonotonic deadline: MonotonicInstant, _ action: @escaping @EventLoop () -> Void) -> Timer {
        shared.thread.poller.schedule(.action(action), at: deadline)
    }

    /// Runs `task` once at `deadline` or soon after it; until then or until ``cancel(_:)``, the loop holds it.
    @EventLoop
    static func schedule(at deadline: MonotonicInstant, _ task: any LoopTask) -> Timer {
        shared.thread.poller.schedule(.task(task), at: deadline)
    }

    @EventLoop
    package static func cancel(_ timer: Timer) {
        shared.thread.poller.cancel(timer)
    }

    /// Calls `action` once, when the work at hand is done and before the loop waits again.
    @EventLoop
    package static func atEndOfTurn(_ action: @escaping @EventLoop () -> Void) {
        shared.thread.poller.endOfTurn.append(.action(action))
    }

    /// Runs `task` once, when the work at hand is done and before the loop waits again.
    @EventLoop
    static func atEndOfTurn(_ task: any LoopTask) {
        shared.thread.poller.endOfTurn.append(.task(task))
    }

    /// Runs `task`, which resumes a waiting task, once everything that has arrived in this turn was read.
    @EventLoop
    static func wake(_ task: any LoopTask) {
        shared.thread.poller.wakeUps.append(task)
    }

    /// This is not the loop's thread but one that has borrowed the loop.
    @EventLoop
    static var isBorrowed: Bool { shared.thread.isBorrowed }

    /// The time at which the turn began, for uses to which some milliseconds do not matter.
    @EventLoop
    static var turnTime: MonotonicInstant { shared.thread.poller.turnTime }
}

/// A job of the loop that needs no closure.
@EventLoop
package protocol LoopTask: AnyObject, Sendable {
    func run()
}
