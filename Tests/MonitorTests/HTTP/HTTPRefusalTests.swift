// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HTTPRefusalTests {
    /// A stream that is refused, and the status.
    struct Bad: Sendable, CustomTestStringConvertible {
        let status: Int
        let text: String
        var role = HTTPParser.Role.requests

        init(_ status: Int, _ text: String, _ role: HTTPParser.Role = .requests) {
            (self.status, self.text, self.role) = (status, text, role)
        }

        var testDescription: String { String(text.debugDescription.prefix(80)) }
    }

    static func get(_ fields: String...) -> String {
        "GET / HTTP/1.1\r\nHost: a\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    static func target(_ text: String) -> String { "GET \(text) HTTP/1.1\r\nHost: a\r\n\r\n" }

    static func chunks(_ text: String) -> String { get("Transfer-Encoding: chunked") + text }

    static let malformed = [
        Bad(400, "GET /\r\nHost: a\r\n\r\n"),
        Bad(400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
        Bad(400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "GÉT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}"),
        Bad(400, "GET / http/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "GET / HTTP/11\r\nHost: a\r\n\r\n"),
        Bad(505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
        Bad(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\n\r\n"),
        Bad(400, get("host: a")),
        Bad(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\nHost: a/\r\n\r\n"),
        Bad(400, get("no colon")),
        Bad(400, get(": value")),
        Bad(400, get("Näme: value")),
        Bad(400, get("Name: val\0ue")),
        Bad(400, get("Name: val\u{8}ue")),
        Bad(400, target("*")),
        Bad(400, target("api")),
        Bad(400, target("ftp://a/")),
        Bad(400, target("http:///x")),
        Bad(400, target("http://u@h/")),
        Bad(400, target("/a#b")),
        Bad(400, target("/é")),
        Bad(400, target("/%")),
        Bad(400, target("/%4")),
        Bad(400, target("/%4g")),
        Bad(400, target("/%+1")),
        Bad(400, target("/%00")),
        Bad(400, target("/?%00=1")),
        Bad(400, target("/a%2fb")),
        Bad(400, target("/%C3")),
        Bad(400, target("/?a=%ff")),
        Bad(400, target("/?a=1&a=2")),
        Bad(400, target("/?a&b&%61")),
        Bad(501, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\nHost: a\r\nX: cut o"),
        Bad(400, get("Content-Length: 2") + "a"),
        Bad(400, "HTTP/1.1 OK\r\n\r\n", .responses(to: "GET")),
        Bad(400, "HTTP/1.1 99 Low\r\n\r\n", .responses(to: "GET")),
        Bad(400, "HTTP/1.1 2000 High\r\n\r\n", .responses(to: "GET")),
        Bad(400, "HTTP/1.1 +20 Sign\r\n\r\n", .responses(to: "GET")),
        Bad(400, "SSH-2.0-OpenSSH_9.2\r\n", .responses(to: "GET")),
        Bad(400, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", .responses(to: "GET")),
    ]

    static let smuggling = [
        Bad(400, get("Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
        Bad(400, get("Content-Length: 3", "Content-Length: 4") + "abcd"),
        Bad(400, get("Content-Length: 3, 4") + "abcd"),
        Bad(400, get("Content-Length: +3") + "abc"),
        Bad(400, get("Content-Length: -1")),
        Bad(400, get("Content-Length: 0x3") + "abc"),
        Bad(400, get("Content-Length: 1 2") + "abc"),
        Bad(400, get("Content-Length:")),
        Bad(400, get("Content-Length: \u{0663}") + "abc"),
        Bad(413, get("Content-Length: 99999999999999999999999999")),
        Bad(501, get("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n"),
        Bad(501, get("Transfer-Encoding: identity")),
        Bad(501, get("Transfer-Encoding: chun\u{212a}ed") + "0\r\n\r\n"),
        Bad(501, get("Transfer-Encoding: xchunked") + "0\r\n\r\n"),
        Bad(501, get("Transfer-Encoding: ")),
        Bad(400, get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n"),
        Bad(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Bad(400, get("Content-Length : 3") + "abc"),
        Bad(400, get("X: 1", " Content-Length: 3") + "abc"),
        Bad(400, get("X: 1", "\tfolded")),
        Bad(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        Bad(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        Bad(400, get("X: 1\rContent-Length: 3") + "abc"),
        Bad(400, chunks("+3\r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("0x3\r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("3 \r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("\r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks(";x\r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("3\r\nabcd\r\n0\r\n\r\n")),
        Bad(400, chunks("3\r\nabc0\r\n\r\n")),
        Bad(400, chunks("3\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("3;a\nb\r\nabc\r\n0\r\n\r\n")),
        Bad(400, chunks("FFFFFFFFFFFFFFFFF\r\nabc")),
        Bad(413, chunks("7FFFFFFFFFFFFFFF\r\nabc")),
        Bad(400, chunks("0\r\nTrailer : 1\r\n\r\n")),
        Bad(400, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", .responses(to: "GET")),
    ]

    @Test(arguments: malformed + smuggling)
    func `a malformed message is refused`(_ bad: Bad) {
        let outcome = ParserOutcome(bad.role, bad.text)
        #expect(outcome.refusal?.status == bad.status, "\(outcome)")
        #expect(outcome.bodies.isEmpty)
    }

    @Test func `each limit holds, and a message just within it is accepted`() {
        var limits = HTTPLimits()
        (limits.startLine, limits.headers, limits.fields, limits.body) = (30, 60, 3, 10)
        func status(_ text: String) -> Int? { ParserOutcome(.requests, limits: limits, text).refusal?.status }
        let line = { (count: Int) in
            "GET /" + String(repeating: "a", count: count - 14) + " HTTP/1.1\r\nHost: a\r\n\r\n"
        }
        #expect(status(line(30)) == nil && status(line(31)) == 414)
        // The field of the host and the ends of the lines count.
        let fields = { (count: Int) in Self.get("X: " + String(repeating: "a", count: count - 14)) }
        #expect(status(fields(60)) == nil && status(fields(61)) == 431)
        #expect(status(String(repeating: fields(60), count: 5)) == nil)
        #expect(status(Self.get("A:", "B:")) == nil && status(Self.get("A:", "B:", "C:")) == 431)
        let length = { (count: Int) in Self.get("Content-Length: \(count)") + String(repeating: "a", count: count) }
        #expect(status(length(10)) == nil && status(length(11)) == 413)
        #expect(status(Self.chunks("5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n")) == nil)
        #expect(status(Self.chunks("5\r\nabcde\r\n6\r\nabcdef\r\n0\r\n\r\n")) == 413)
        #expect(status(Self.chunks("1;" + String(repeating: "x", count: 126) + "\r\na\r\n0\r\n\r\n")) == nil)
        #expect(status(Self.chunks("1;" + String(repeating: "x", count: 127) + "\r\na\r\n0\r\n\r\n")) == 400)
        #expect(
            status(Self.chunks("0\r\nA: 1\r\n\r\n")) == nil && status(Self.chunks("0\r\nA: 1\r\nB: 1\r\n\r\n")) == 431
        )
        // By default, as much as the API takes.
        let body = { (count: Int) in ParserOutcome(.requests, length(count)).refusal?.status }
        #expect(body(JSONBody.sizeLimit) == nil && body(JSONBody.sizeLimit + 1) == 413)
        let endless = "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 11)
        #expect(ParserOutcome(.responses(to: "GET"), limits: limits, endless).refusal?.status == 413)
        #expect(ParserOutcome(.responses(to: "GET"), limits: limits, String(endless.dropLast())).refusal == nil)
    }

    @Test func `a line without an end is refused as soon as it is too long`() {
        var parser = HTTPParser(.requests)
        parser.append(Array(repeating: UInt8(ascii: "a"), count: 8 << 10))
        #expect(throws: Never.self) { try parser.next() }
        parser.append([UInt8(ascii: "a")])
        #expect(throws: HTTPRefusal.self) { try parser.next() }
        // Further bytes do not change that.
        parser.append(Array("\r\n\r\n".utf8))
        #expect(throws: HTTPRefusal.self) { try parser.next() }
    }

    @Test func `a refusal is answered with problem details`() {
        let response = HTTPRefusal(431, "Too much.").response
        #expect(response.status == 431 && response.headers["content-type"] == "application/problem+json")
        guard case .bytes(let bytes) = response.body else { return #expect(Bool(false)) }
        let expected =
            #"{"type":"about:blank","title":"Request Header Fields Too Large","status":431,"detail":"Too much."}"#
        #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }
}
