// SPDX-License-Identifier: Apache-2.0

/// One call that waits on the loop: it ends with its outcome, at its deadline, or when its task is cancelled.
@EventLoop
final class ByteStreamCall<Value: Sendable> {
    private let completion = Completion<Result<Value, ByteStreamError>>()
    private var timer: EventLoop.Timer?
    /// Called when the call is over, however it ends.
    var onEnd: (@EventLoop () -> Void)?
    /// The text of the deadline's error.
    var timeoutMessage: (@EventLoop () -> String)?

    private nonisolated init() {}

    /// Runs `start` on the loop, and waits until somebody finishes the call that it gets.
    nonisolated static func run(
        until deadline: ContinuousClock.Instant?,
        _ start: @escaping @Sendable @EventLoop (ByteStreamCall) -> Void
    ) async throws(ByteStreamError) -> Value {
        let call = ByteStreamCall()
        let outcome = await call.completion.wait {
            if call.completion.isComplete { return }
            // The timer keeps the call, and is cancelled when it is over.
            if let deadline { call.timer = EventLoop.schedule(at: deadline) { call.timeIsUp() } }
            start(call)
        } onCancel: {
            call.finish(.failure(ByteStreamError(.cancelled, "the task was cancelled")))
        }
        return try outcome.get()
    }

    /// Ends the call; only the first time counts.
    func finish(_ outcome: Result<Value, ByteStreamError>) {
        if completion.isComplete { return }
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        completion.complete(outcome)
        let onEnd = onEnd
        self.onEnd = nil
        timeoutMessage = nil
        onEnd?()
    }

    private func timeIsUp() {
        timer = nil
        finish(.failure(ByteStreamError(.timedOut, timeoutMessage?() ?? "the peer takes too long")))
    }
}
