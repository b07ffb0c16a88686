// SPDX-License-Identifier: Apache-2.0

/// A value that arrives once, on the loop, and the task that waits for it.
@EventLoop
final class Completion<Value: Sendable> {
    private var value: Value?
    private var continuation: CheckedContinuation<Value, Never>?

    init() {}

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
    /// When the task is cancelled, `onCancel` runs on the loop and must lead to ``complete(_:)``. Since it goes through
    /// the loop like everything else, it cannot overtake what was done before the wait.
    func wait(onCancel: @escaping @Sendable @EventLoop () -> Void) async -> Value {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if let value {
                    continuation.resume(returning: value)
                } else {
                    self.continuation = continuation
                }
            }
        } onCancel: {
            EventLoop.execute(onCancel)
        }
    }
}
