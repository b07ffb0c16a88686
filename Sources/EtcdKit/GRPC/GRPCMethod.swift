// SPDX-License-Identifier: Apache-2.0

/// A method of a gRPC service.
struct GRPCMethod<Request: ProtobufMessage, Response: ProtobufMessage>: Sendable {
    let path: String
    /// The call changes nothing, so it may be repeated when its first outcome is unknown.
    let isRead: Bool

    init(_ path: String, isRead: Bool = false) {
        self.path = path
        self.isRead = isRead
    }
}

/// What goes with a call besides its message.
struct GRPCMetadata: Sendable {
    /// The host and port that the call is for.
    let authority: String
    var deadline: ContinuousClock.Instant?
    /// The server shall refuse the call, and end a stream, when it has no leader.
    var requiresLeader = false

    func headers(path: String, isSecure: Bool = false) -> HTTP2RequestHeaders {
        var headers = HTTP2RequestHeaders()
        headers.append(":method", "POST")
        headers.append(":scheme", isSecure ? "https" : "http")
        headers.append(":path", path)
        headers.append(":authority", authority)
        headers.append("te", "trailers")
        headers.append("content-type", "application/grpc")
        headers.append("user-agent", "etcd-kit-swift")
        if requiresLeader { headers.append("hasleader", "true") }
        if let deadline { headers.append("grpc-timeout", Self.timeout(ContinuousClock.now.duration(to: deadline))) }
        return headers
    }

    /// gRPC's spelling of a timeout: at most eight digits and a unit.
    static func timeout(_ duration: Duration) -> String {
        let milliseconds = max(duration.wholeMilliseconds, 1)
        if milliseconds < 100_000_000 { return "\(milliseconds)m" }
        return "\(min(milliseconds / 1000, 99_999_999))S"
    }
}
