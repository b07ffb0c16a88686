// SPDX-License-Identifier: Apache-2.0

/// Why a ``ByteStream`` or a ``ByteListener`` cannot do what it was asked for.
package struct ByteStreamError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Reason: Sendable, Hashable {
        /// No connection came about, or no port could be listened on.
        case refused
        /// The deadline came first.
        case timedOut
        /// The peer, or something on the way, has broken the connection.
        case reset
        /// One side does not accept the certificate of the other, or does not speak TLS as it should.
        case tls
        /// The task was cancelled.
        case cancelled
        /// This side has closed it.
        case closed
        /// The certificates or keys of this side cannot be used, or the stream is used wrongly.
        case misconfigured
    }

    package let reason: Reason
    package let message: String

    init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    init(_ error: TLSError) {
        self.init(error.kind == .credentials ? .misconfigured : .tls, error.message)
    }

    init(_ error: SystemError) {
        self.init(.reset, error.description)
    }

    init(_ error: ConnectionError) {
        switch error.kind {
        case .refused, .unanswered, .unknownHost, .draining: self.init(.refused, error.message)
        case .credentials: self.init(.misconfigured, error.message)
        case .untrusted, .protocolViolation: self.init(.tls, error.message)
        case .silent: self.init(.timedOut, error.message)
        case .lost: self.init(.reset, error.message)
        case .closedByUs: self.init(.closed, error.message)
        }
    }

    package var description: String { message }
}

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
