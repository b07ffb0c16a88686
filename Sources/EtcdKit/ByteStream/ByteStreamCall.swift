// SPDX-License-Identifier: Apache-2.0

/// One call on a stream or a listener that waits on the loop.
typealias ByteStreamCall<Value: Sendable> = Completion<Result<Value, ByteStreamError>>

extension Completion {
    /// Runs `start` on the loop, and waits until the call that it gets has an outcome, or until the deadline, for which the
    /// error has `timeoutMessage`.
    nonisolated static func run<Success>(
        until deadline: ContinuousClock.Instant?,
        timeoutMessage: @escaping @Sendable @EventLoop () -> String = { "the peer takes too long" },
        _ start: @escaping @Sendable @EventLoop (Completion) -> Void
    ) async throws(ByteStreamError) -> Success where Value == Result<Success, ByteStreamError> {
        try await run(
            until: deadline,
            interrupted: { interruption in
                switch interruption {
                case .deadline: ByteStreamError(.timedOut, timeoutMessage())
                case .cancellation: ByteStreamError(.cancelled, "the task was cancelled")
                }
            },
            start
        )
    }
}
