// SPDX-License-Identifier: Apache-2.0

/// The outcome of a gRPC call as the server states it.
struct GRPCStatus: Error, Sendable, Hashable {
    enum Code: Int, Sendable {
        case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
        case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable
        case dataLoss, unauthenticated
    }

    let code: Code
    let message: String

    /// Reads the status from what a stream has received; nil when the server has sent none.
    init?(headers: HTTP2Headers, trailers: HTTP2Headers) {
        // A trailers-only answer carries the status in its only header block.
        guard let text = trailers.grpcStatus ?? headers.grpcStatus else { return nil }
        code = Int(text).flatMap(Code.init) ?? .unknown
        message = Self.percentDecoded(trailers.grpcMessage ?? headers.grpcMessage ?? "").printable
    }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The status that stands for an HTTP answer which is not gRPC's.
    init?(httpHeaders headers: HTTP2Headers) {
        let status = (headers.status ?? "").printable
        let type = (headers.contentType ?? "").printable
        if status == "200" && type.hasPrefix("application/grpc") { return nil }
        switch status {
        case "200": self.init(.unknown, "the answer is not gRPC but \"\(type)\"")
        case "400": self.init(.internal, "HTTP status 400")
        case "401": self.init(.unauthenticated, "HTTP status 401")
        case "403": self.init(.permissionDenied, "HTTP status 403")
        case "404": self.init(.unimplemented, "HTTP status 404")
        case "429", "502", "503", "504": self.init(.unavailable, "HTTP status \(status)")
        default: self.init(.unknown, "HTTP status \(status)")
        }
    }

    /// Decodes gRPC's percent encoding of status messages; what is not valid stands as it is.
    static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.count)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let high = hexValue(source[index + 1]), let low = hexValue(source[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// A gRPC call that did not succeed, and what is known of its effect.
struct GRPCFailure: Error, Sendable, Hashable {
    enum Effect: Sendable {
        /// The server has certainly not acted on the call.
        case none
        /// The server has answered with this status.
        case answered
        /// Something on the way has answered in HTTP, and does not know what etcd has done.
        case answeredByProxy
        /// The call was sent and no answer of gRPC came: the server may have acted on it.
        case unknown
    }

    let status: GRPCStatus
    let effect: Effect

    /// The endpoint leaves a call without an answer, and there is another endpoint.
    static let stalled = GRPCFailure(
        GRPCStatus(.unavailable, "the server left the call without an answer"),
        .unknown
    )

    init(_ status: GRPCStatus, _ effect: Effect) {
        self.status = status
        self.effect = effect
    }

    init(_ error: ConnectionError) {
        self.init(GRPCStatus(.unavailable, error.message), .none)
    }

    /// Why a call ended, from all that its stream has received; nil when it succeeded.
    ///
    /// A server that resets the stream when the `deadline` of the call is over may be heard before the timer of this side.
    init?(endOf stream: HTTP2Stream, deadline: MonotonicInstant? = nil) {
        if case .refused(let reason) = stream.ending {
            self.init(GRPCStatus(.internal, reason), .unknown)
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
                self.init(GRPCStatus(.unavailable, "the server did not take the call"), .none)
            case .connectionLost(let reason):
                self.init(GRPCStatus(.unavailable, "the connection was lost during the call: \(reason)"), .unknown)
            case .closed(.noError), .refused, nil:
                self.init(GRPCStatus(.internal, "the server ended the call without a status"), .unknown)
            case .closed(.cancel) where deadline.map { $0 <= .now } == true:
                self.init(GRPCStatus(.deadlineExceeded, "no answer within the deadline"), .unknown)
            case .closed(let code):
                self.init(GRPCStatus(.unavailable, "the server reset the call: \(code)"), .unknown)
            }
        }
    }
}
