// SPDX-License-Identifier: Apache-2.0

/// The metadata of a call.
struct GRPCMetadata: Sendable {
    /// The host and port that the call is for.
    let authority: String
    var deadline: MonotonicInstant?
    /// The server refuses the call, and ends a stream, when it has no leader.
    var requiresLeader = false
    /// The token that identifies the user.
    var token: AuthToken?
    /// The metadata that the user of the client adds.
    var custom = CallMetadata()

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
        for (name, value) in custom.fields { headers.append(custom: name, value) }
    }

    /// gRPC's spelling of a timeout: at most eight digits and a unit.
    static func timeout(milliseconds: Int64) -> String {
        let milliseconds = max(milliseconds, 1)
        if milliseconds < 100_000_000 { return "\(milliseconds)m" }
        return "\(min(milliseconds / 1000, 99_999_999))S"
    }
}

/// The token by which etcd identifies a user, for a while.
struct AuthToken: Sendable, Hashable, CustomStringConvertible, CustomReflectable {
    let text: String
    /// Which of the client's grants it comes from, since a provider may give the same text again.
    let grant: Int

    init(_ text: String, grant: Int = 0) {
        self.text = text
        self.grant = grant
    }

    /// It can be the value of a header field.
    var isValid: Bool { !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } }

    var description: String { "token" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
