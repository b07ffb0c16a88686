// SPDX-License-Identifier: Apache-2.0

/// A failure of a call that the client detected itself, without a status from the server.
struct LocalFailure: Error, Sendable, Hashable {
    let code: EtcdError.Code
    let message: String

    init(_ code: EtcdError.Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A message that cannot be decoded.
    init(_ error: ProtobufError) {
        switch error {
        case .tooLarge:
            let reason = "it has so many small parts that it would take up too much memory"
            self.init(.responseTooLarge, "the server sent a message that is too large: \(reason) (maximumMessageSize)")
        case .truncated, .malformedVarint, .malformedTag, .tooDeep:
            self.init(.protocolViolation, "a message from the server is malformed: \(error)")
        }
    }

    static let cancelledTask = LocalFailure(.cancelled, "the task was cancelled")
    static let lateAnswer = LocalFailure(.deadlineExceeded, "no answer within the deadline")
    static let silence = LocalFailure(.deadlineExceeded, "the server is silent")
    /// The endpoint leaves a call without an answer, and there is another endpoint.
    static let stalled = LocalFailure(.unavailable, "the server left the call without an answer")
}

/// A gRPC call that did not succeed, and what is known about its effect.
struct GRPCFailure: Error, Sendable, Hashable {
    enum Cause: Sendable, Hashable {
        /// The status comes from the server, or from a proxy.
        case status(GRPCStatus)
        case local(LocalFailure)
        /// The connection takes no more calls.
        case connection(ConnectionError)
    }

    enum Effect: Sendable {
        /// The server has certainly not acted on the call.
        case none
        /// The server has answered.
        case answered
        /// A proxy has answered in HTTP, and does not know what etcd has done.
        case answeredByProxy
        /// The call was sent and no gRPC answer came: the server may have acted on it.
        case unknown
    }

    let cause: Cause
    let effect: Effect

    init(_ status: GRPCStatus, _ effect: Effect) {
        cause = .status(status)
        self.effect = effect
    }

    init(_ failure: LocalFailure, _ effect: Effect) {
        cause = .local(failure)
        self.effect = effect
    }

    init(_ error: ConnectionError) {
        cause = .connection(error)
        effect = .none
    }

    /// Why a call ended, from all that its stream has received; nil when it succeeded.
    ///
    /// A server that resets the stream at the `deadline` of the call may be faster than the client's timer.
    init?(endOf stream: HTTP2Stream, deadline: MonotonicInstant? = nil) {
        if case .refused(let reason) = stream.ending {
            self.init(LocalFailure(.protocolViolation, reason), .unknown)
        } else if (stream.trailers.grpcStatus ?? stream.headers.grpcStatus) == "0" {
            return nil
        } else if let status = GRPCStatus(headers: stream.headers, trailers: stream.trailers) {
            if status.code == .ok { return nil }
            self.init(status, .answered)
        } else if stream.hasHeaders, let status = GRPCStatus(httpHeaders: stream.headers) {
            self.init(status, .answeredByProxy)
        } else {
            switch stream.ending {
            case .notProcessed:
                self.init(LocalFailure(.unavailable, "the server did not take the call"), .none)
            case .connectionLost(let reason):
                self.init(LocalFailure(.unavailable, "the connection was lost during the call: \(reason)"), .unknown)
            case .closed(.noError), .refused, nil:
                self.init(LocalFailure(.protocolViolation, "the server ended the call without a status"), .unknown)
            case .closed(.cancel) where deadline.map { $0 <= .now } == true:
                self.init(.lateAnswer, .unknown)
            case .closed(let code):
                self.init(LocalFailure(.unavailable, "the server reset the call: \(code)"), .unknown)
            }
        }
    }

    var message: String {
        switch cause {
        case .status(let status): status.message
        case .local(let failure): failure.message
        case .connection(let error): error.message
        }
    }

    /// The kind of error that the failure is.
    var code: EtcdError.Code {
        switch cause {
        // A call that the server cancelled was not cancelled by the task that made it.
        case .status(let status): effect == .answered && status.code == .cancelled ? .unavailable : .init(status)
        case .local(let failure): failure.code
        case .connection: .unavailable
        }
    }
}
