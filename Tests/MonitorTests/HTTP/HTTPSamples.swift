// SPDX-License-Identifier: Apache-2.0

@testable import EtcdMonitorKit

/// A parser's result for some bytes.
struct ParserOutcome: Hashable {
    var events: [HTTPParser.Event] = []
    var refusal: HTTPRefusal?

    /// Feeds a parser pieces of a stream, and then its end.
    init(_ role: HTTPParser.Role, limits: HTTPLimits = HTTPLimits(), pieces: some Sequence<ArraySlice<UInt8>>) {
        var parser = HTTPParser(role, limits: limits)
        do {
            for piece in pieces {
                parser.append(piece)
                while let event = try parser.next() { events.append(event) }
            }
            if let event = try parser.finish() { events.append(event) }
        } catch {
            refusal = error
        }
    }

    init(_ role: HTTPParser.Role, limits: HTTPLimits = HTTPLimits(), _ text: String) {
        self.init(role, limits: limits, pieces: [Array(text.utf8)[...]])
    }

    /// The bodies of whole messages.
    var bodies: [String] {
        events.compactMap { if case .body(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil } }
    }

    /// The first head.
    var head: HTTPHead? {
        events.lazy.compactMap { if case .head(let head) = $0 { head } else { nil } }.first
    }

    /// The target of the first request.
    var target: HTTPTarget? {
        if case .request(_, let target) = head?.startLine { target } else { nil }
    }
}

/// Streams of valid messages.
enum HTTPSamples {
    static let requests = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /api/v1/history?metric=x&from=1&to=2 HTTP/1.1\r\nHost: [::1]:8080\r\nAccept: */*\r\nX-Empty:\r\n\r\n",
        "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
        "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "5;name=\"value\"\r\nhello\r\n006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "\r\nGET / HTTP/1.0\r\n\r\nHEAD /x HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhOsT:\ta \r\nUTF-8: \u{e9}\u{212a}\r\n\r\n",
        "GET http://example.org:80/a%20b?c HTTP/1.1\r\nHost: ignored\r\n\r\n",
    ]

    static let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200\r\nTransfer-Encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        "HTTP/1.0 200 All right\r\n\r\neverything until\r\nthe end",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
    ]

    /// All streams with the role that reads them.
    static let all = requests.map { (HTTPParser.Role.requests, $0) } + responses.map { (.responses(to: "GET"), $0) }
}
