// SPDX-License-Identifier: Apache-2.0

/// Why a message is not accepted.
struct HTTPRefusal: Error, Hashable {
    /// The status with which a server says so.
    let status: Int
    /// The reason, in a sentence without anything that the peer sent.
    let message: String

    static let cutOff = HTTPRefusal(400, "The message is cut off.")

    init(_ status: Int, _ message: String) {
        self.status = status
        self.message = message
    }

    /// The refusal as problem details (RFC 9457).
    var response: HTTPResponse {
        let title = HTTPWriter.reason(of: status)
        let json = #"{"type":"about:blank","title":"\#(title)","status":\#(status),"detail":"\#(message)"}"#
        return HTTPResponse(status, headers: ["Content-Type": "application/problem+json"], .bytes(Array(json.utf8)))
    }
}

/// How large the parts of a message may be.
public struct HTTPLimits: Sendable, Hashable {
    /// The bytes of the start line.
    public var startLine = 8 << 10
    /// The bytes of all fields, those after a chunked body included.
    public var headers = 32 << 10
    /// The fields, those after a chunked body included.
    public var fields = 100
    /// The bytes of the body.
    public var body: Int

    /// Makes the limits that suit a small server.
    ///
    /// - Parameter body: The bytes of the body.
    public init(body: Int = 1 << 20) { self.body = body }
}
