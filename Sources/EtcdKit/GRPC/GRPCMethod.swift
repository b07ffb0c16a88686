// SPDX-License-Identifier: Apache-2.0

/// A method of a gRPC service.
struct GRPCMethod<Request: ProtobufMessage, Response: ProtobufMessage>: Sendable {
    let path: String
    /// The call changes nothing, so it may be repeated when its first outcome is unknown.
    private(set) var isRead: Bool
    /// The call goes through the leader, so a member without one shall refuse it instead of waiting.
    private(set) var needsLeader: Bool
    /// The revision in the answer is never below one that was seen before the call.
    private(set) var ordersRevisions: Bool
    /// The server answers only when others let it, so its silence is no stall.
    let mayWait: Bool

    init(
        _ path: String,
        isRead: Bool = false,
        needsLeader: Bool = true,
        ordersRevisions: Bool = false,
        mayWait: Bool = false
    ) {
        self.path = path
        self.isRead = isRead
        self.needsLeader = needsLeader
        self.ordersRevisions = ordersRevisions
        self.mayWait = mayWait
    }

    /// The same method for a request that changes nothing.
    var reading: Self {
        var copy = self
        copy.isRead = true
        return copy
    }

    /// The same method for a request that any member answers from its own copy of the data.
    var serializable: Self {
        var copy = self
        copy.needsLeader = false
        copy.ordersRevisions = false
        return copy
    }
}

/// The answer to a unary call of etcd, each of which has a header.
protocol Response: ProtobufMessage {
    var header: ResponseHeader { get }

    /// Takes the prefix off all keys.
    mutating func leave(_ namespace: Namespace) throws(EtcdError)
}

/// What goes with a call besides its message.
struct GRPCMetadata: Sendable {
    /// The host and port that the call is for.
    let authority: String
    var deadline: MonotonicInstant?
    /// The server shall refuse the call, and end a stream, when it has no leader.
    var requiresLeader = false
    /// Says who makes the call.
    var token: AuthToken?

    func headers(path: String, isSecure: Bool = false) -> HTTP2RequestHeaders {
        var headers = HTTP2RequestHeaders()
        append(to: &headers, path: path, isSecure: isSecure, now: .now)
        return headers
    }

    func append(
        to headers: inout HTTP2RequestHeaders,
        path: String,
        isSecure: Bool,
        now: MonotonicInstant
    ) {
        headers.append(":method", fixed: "POST")
        headers.append(":scheme", fixed: isSecure ? "https" : "http")
        headers.append(":path", path)
        headers.append(":authority", authority)
        headers.append("te", fixed: "trailers")
        headers.append("content-type", fixed: "application/grpc")
        headers.append("user-agent", fixed: "etcd-kit-swift")
        if requiresLeader { headers.append("hasleader", fixed: "true") }
        if let token { headers.append("token", token.text) }
        if let deadline {
            headers.append("grpc-timeout", Self.timeout(milliseconds: now.milliseconds(until: deadline)))
        }
    }

    /// gRPC's spelling of a timeout: at most eight digits and a unit.
    static func timeout(_ duration: Duration) -> String { timeout(milliseconds: duration.wholeMilliseconds) }

    private static func timeout(milliseconds: Int64) -> String {
        let milliseconds = max(milliseconds, 1)
        if milliseconds < 100_000_000 { return "\(milliseconds)m" }
        return "\(min(milliseconds / 1000, 99_999_999))S"
    }
}
