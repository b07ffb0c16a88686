// SPDX-License-Identifier: Apache-2.0

/// The global actor of everything that happens on the wire.
///
/// Its executor is one thread that waits in `poll(2)`, so code marked `@EventLoop` owns sockets, HTTP/2 sessions and
/// timers without a lock, and the compiler proves that nobody else touches them. The loop is process-wide and never
/// ends: a job enqueued on it always runs.
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

    /// Runs `operation` at once, for code that is known to be on the loop's thread.
    nonisolated static func assumeIsolated<Result: Sendable>(_ operation: @EventLoop () -> Result) -> Result {
        shared.preconditionIsolated()
        // The two function types differ in their isolation only, and the line above has checked it: this is how the
        // standard library implements `MainActor.assumeIsolated`.
        return withoutActuallyEscaping(operation) { escapable in
            unsafeBitCast(escapable, to: (() -> Result).self)()
        }
    }
}

extension EventLoop {
    /// What a descriptor is ready for.
    package struct Readiness: Sendable {
        package let canRead: Bool
        package let canWrite: Bool
    }

    /// Names a timer of the loop.
    package typealias Timer = DeadlineHeap<@EventLoop () -> Void>.ID

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
    /// Closed elsewhere, its number could be another's while the loop still watches it.
    nonisolated static func close(_ descriptor: Int32) {
        let close: @Sendable @EventLoop () -> Void = {
            unwatch(descriptor)
            Platform.close(descriptor)
        }
        if shared.thread.isOnThread { assumeIsolated(close) } else { execute(close) }
    }

    /// Calls `action` once at `deadline` or soon after it.
    @EventLoop
    package static func schedule(
        at deadline: ContinuousClock.Instant,
        _ action: @escaping @EventLoop () -> Void
    ) -> Timer {
        shared.thread.poller.timers.insert(action, at: deadline)
    }

    @EventLoop
    package static func cancel(_ timer: Timer) {
        shared.thread.poller.timers.remove(timer)
    }

    /// Calls `action` once, when the work at hand is done and before the loop waits again.
    @EventLoop
    package static func atEndOfTurn(_ action: @escaping @EventLoop () -> Void) {
        shared.thread.poller.endOfTurn.append(action)
    }
}
