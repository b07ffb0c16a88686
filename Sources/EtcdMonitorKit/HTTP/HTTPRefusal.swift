// SPDX-License-Identifier: Apache-2.0

/// The reason why a message is refused.
struct HTTPRefusal: Error, Hashable {
    /// The status of the response.
    let status: Int
    /// The reason, in a sentence without data from the peer.
    let message: String

    static let cutOff = HTTPRefusal(400, "The message is incomplete.")

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

/// The size limits of a message.
public struct HTTPLimits: Sendable, Hashable {
    /// The largest start line, in bytes.
    public var startLine = 8 << 10
    /// The largest size of all fields, including those after a chunked body, in bytes.
    public var headers = 32 << 10
    /// The largest number of fields, including those after a chunked body.
    public var fields = 100
    /// The largest body, in bytes.
    public var body: Int

    /// Makes limits for a small server.
    ///
    /// - Parameter body: The largest body, in bytes; by default the largest that ``MonitorAPI`` takes.
    public init(body: Int = 64 << 10) { self.body = body }
}
