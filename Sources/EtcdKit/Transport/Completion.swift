// SPDX-License-Identifier: Apache-2.0

/// A value that arrives once, on the loop, and the task that waits for it.
@EventLoop
final class Completion<Value: Sendable> {
    private var value: Value?
    private var continuation: CheckedContinuation<Value, Never>?

    nonisolated init() {}

    var isComplete: Bool { value != nil }

    /// Hands `value` to the waiting task.
    ///
    /// Only the first call counts.
    func complete(_ value: Value) {
        guard self.value == nil else { return }
        self.value = value
        continuation?.resume(returning: value)
        continuation = nil
    }

    /// Waits for the value; one task may.
    ///
    /// `start` runs on the loop, once the task waits: so a task that is not on the loop goes there and back once, and
    /// is resumed where it was. When the task is cancelled, `onCancel` runs on the loop and must lead to
    /// ``complete(_:)``. It comes after `start`, or leaves its mark before it.
    nonisolated func wait(
        start: @escaping @Sendable @EventLoop () -> Void = {},
        onCancel: @escaping @Sendable @EventLoop () -> Void
    ) async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                EventLoop.execute {
                    start()
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
