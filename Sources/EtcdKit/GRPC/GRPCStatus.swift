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

    /// The status for an HTTP answer that is not gRPC.
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

    /// Decodes gRPC's percent encoding of status messages; invalid sequences stay as they are.
    static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.count)
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let high = Character(UnicodeScalar(source[index + 1])).hexDigitValue,
                let low = Character(UnicodeScalar(source[index + 2])).hexDigitValue
            {
                bytes.append(UInt8(high << 4 | low))
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
