// SPDX-License-Identifier: Apache-2.0

/// A value that arrives once, on the loop, and the task that waits for it.
///
/// All tasks that wait for something on the loop wait with a completion: for a value, until a deadline, or until they are
/// cancelled.
@EventLoop
final class Completion<Value: Sendable> {
    private var value: Value?
    private var continuation: CheckedContinuation<Value, Never>?
    private var timer: EventLoop.Timer?
    /// Called once, after the value has arrived.
    var onEnd: (@EventLoop () -> Void)?

    nonisolated init() {}

    /// Hands `value` to the waiting task.
    ///
    /// Only the first call counts.
    func complete(_ value: Value) {
        guard self.value == nil else { return }
        self.value = value
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        continuation?.resume(returning: value)
        continuation = nil
        let onEnd = onEnd
        self.onEnd = nil
        onEnd?()
    }

    /// Waits for the value; one task may.
    ///
    /// The task goes to the loop and back once, and is resumed where it was. `start` runs on the loop once the task waits,
    /// unless the value is there. `onDeadline` runs there at the deadline, `onCancel` when the task is cancelled; both must
    /// lead to ``complete(_:)``.
    nonisolated func wait(
        until deadline: ContinuousClock.Instant? = nil,
        start: @escaping @Sendable @EventLoop () -> Void = {},
        onDeadline: @escaping @Sendable @EventLoop () -> Void = {},
        onCancel: @escaping @Sendable @EventLoop () -> Void
    ) async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                EventLoop.execute {
                    if self.value == nil {
                        self.timer = deadline.map { EventLoop.schedule(at: $0, onDeadline) }
                        start()
                    }
                    self.resume(continuation)
                }
            }
        } onCancel: {
            EventLoop.execute(onCancel)
        }
    }

    private func resume(_ continuation: CheckedContinuation<Value, Never>) {
        if let value {
            continuation.resume(returning: value)
        } else {
            self.continuation = continuation
        }
    }
}

/// Why a wait ends without its value.
enum Interruption: Sendable {
    case deadline
    case cancellation
}

extension Completion {
    /// Runs `start` on the loop, and waits until the completion that it gets has an outcome, or until the deadline or the
    /// cancellation of the task, for which `failure` makes the error.
    nonisolated static func run<Success, Failure: Error>(
        until deadline: ContinuousClock.Instant? = nil,
        interrupted failure: @escaping @Sendable @EventLoop (Interruption) -> Failure,
        _ start: @escaping @Sendable @EventLoop (Completion) -> Void
    ) async throws(Failure) -> Success where Value == Result<Success, Failure> {
        let completion = Completion()
        let outcome = await completion.wait(until: deadline) {
            start(completion)
        } onDeadline: {
            completion.complete(.failure(failure(.deadline)))
        } onCancel: {
            completion.complete(.failure(failure(.cancellation)))
        }
        return try outcome.get()
    }
}
