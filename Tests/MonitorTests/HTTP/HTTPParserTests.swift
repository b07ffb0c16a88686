// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HTTPParserTests {
    @Test func `a request has its method, target, fields and body`() throws {
        let outcome = ParserOutcome(.requests, HTTPSamples.requests[1])
        #expect(outcome.refusal == nil)
        let head = try #require(outcome.head)
        guard case .request("GET", let target) = head.startLine else { return #expect(Bool(false)) }
        #expect(target.path == "/api/v1/history")
        #expect(target.query == ["metric": "x", "from": "1", "to": "2"])
        #expect(head.headers["host"] == "[::1]:8080" && head.headers["x-empty"] == "")
        #expect(head.minorVersion == 1 && head.keepsAlive)
        #expect(outcome.bodies == [""])
        #expect(ParserOutcome(.requests, HTTPSamples.requests[2]).bodies == ["hello world"])
    }

    @Test func `a chunked body is put together, without its extensions and trailers`() {
        #expect(ParserOutcome(.requests, HTTPSamples.requests[3]).bodies == ["hello world"])
        #expect(ParserOutcome(.responses(to: "GET"), HTTPSamples.responses[1]).bodies == ["0123456789"])
    }

    @Test func `the framing of responses follows the request and the status`() {
        #expect(
            ParserOutcome(.responses(to: "GET"), HTTPSamples.responses[2]).bodies == ["everything until\r\nthe end"]
        )
        #expect(ParserOutcome(.responses(to: "GET"), HTTPSamples.responses[3]).bodies == ["", "", ""])
        #expect(ParserOutcome(.responses(to: "GET"), HTTPSamples.responses[4]).bodies == ["", ""])
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        #expect(ParserOutcome(.responses(to: "HEAD"), head).bodies == [""])
        #expect(ParserOutcome(.responses(to: "GET"), head).refusal?.message == "The message is incomplete.")
    }

    @Test func `HTTP 1.0 and Connection close end the connection`() {
        let head = { (text: String) in ParserOutcome(.requests, text).head }
        #expect(head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")?.keepsAlive == false)
        #expect(head("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE,  Close\r\n\r\n")?.keepsAlive == false)
        #expect(head("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n")?.keepsAlive == true)
    }

    @Test func `targets are taken apart before they are decoded`() {
        func target(_ text: String) -> HTTPTarget? {
            ParserOutcome(.requests, "GET \(text) HTTP/1.1\r\nHost: a\r\n\r\n").target
        }
        #expect(target("/a%3Fb%20c?d%26e=f%3Dg+h&i&j=")?.path == "/a?b c")
        #expect(target("/a%3Fb?d%26e=f%3Dg+h&i&j=")?.query == ["d&e": "f=g h", "i": "", "j": ""])
        #expect(target("/a+b?x=1&y=2?3")?.path == "/a+b")
        #expect(target("/a?x=1&y=2?3")?.query == ["x": "1", "y": "2?3"])
        #expect(target("/%C3%A9")?.path == "/é")
        #expect(target("HTTP://h:1?x=1")?.path == "/")
        let absolute = ParserOutcome(.requests, HTTPSamples.requests[6])
        #expect(absolute.target?.path == "/a b" && absolute.target?.query == ["c": ""])
        #expect(absolute.head?.headers.values(of: "host") == ["example.org:80"])
    }

    @Test func `a request target is decoded into path and query, or refused`() {
        let request = HTTPRequest("POST", target: "/a%20b?c=d%26e&f=g+h", headers: ["X-A": "1"], body: [1])
        let parts = HTTPRequest(
            "POST",
            "/a b",
            query: ["c": "d&e", "f": "g h"],
            headers: ["X-A": "1"],
            body: [1]
        )
        #expect(request == parts)
        for malformed in ["", "a", "/%2", "/a%2Fb", "/?a=%FF", "/?a=1&a=1", "/a b"] {
            #expect(HTTPRequest(target: malformed) == nil, "\(malformed)")
        }
    }

    @Test func `messages are parsed the same however their bytes are cut`() {
        var chance = SplitMix64(seed: 1)
        for (role, text) in HTTPSamples.all {
            let bytes = Array(text.utf8)
            let whole = ParserOutcome(role, text)
            #expect(whole.refusal == nil && !whole.events.isEmpty, "\(text)")
            #expect(ParserOutcome(role, pieces: bytes.indices.map { bytes[$0...$0] }) == whole, "\(text)")
            for _ in 0..<50 {
                #expect(ParserOutcome(role, pieces: Self.cut(bytes, &chance)) == whole, "\(text)")
            }
        }
    }

    @Test func `mutated messages end in a message or a refusal, the same for every cut`() {
        var chance = SplitMix64(seed: 2)
        var limits = HTTPLimits()
        (limits.startLine, limits.headers, limits.fields, limits.body) = (80, 120, 4, 12)
        let odd = Array("\r\n\0 :;,%\u{7f}\t0fF-+".utf8) + [0x80, 0xff]
        var refused = 0
        for _ in 0..<4000 {
            let (role, text) = HTTPSamples.all[Int.random(in: HTTPSamples.all.indices, using: &chance)]
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &chance) where !bytes.isEmpty {
                let place = Int.random(in: bytes.indices, using: &chance)
                let byte = odd[Int.random(in: odd.indices, using: &chance)]
                switch Int.random(in: 0..<5, using: &chance) {
                case 0: bytes.remove(at: place)
                case 1: bytes.insert(byte, at: place)
                case 2: bytes.insert(contentsOf: bytes[place...].prefix(20), at: place)
                case 3: bytes.removeLast(bytes.count - place)
                default: bytes[place] = byte
                }
            }
            let whole = ParserOutcome(role, limits: limits, pieces: [bytes[...]])
            let byByte = ParserOutcome(role, limits: limits, pieces: bytes.indices.map { bytes[$0...$0] })
            #expect(byByte == whole, "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
            #expect(ParserOutcome(role, limits: limits, pieces: Self.cut(bytes, &chance)) == whole)
            if whole.refusal != nil { refused += 1 }
        }
        // Both outcomes are common, or the mutations test nothing.
        #expect((1000...3900).contains(refused), "\(refused)")
    }

    @Test func `dates are written as HTTP has them, and read back`() {
        #expect(HTTPDate.text(Date(timeIntervalSince1970: 784_111_777)) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.text(Date(timeIntervalSince1970: 951_782_400.9)) == "Tue, 29 Feb 2000 00:00:00 GMT")
        var chance = SplitMix64(seed: 3)
        for _ in 0..<1000 {
            let date = Date(timeIntervalSince1970: Double(Int.random(in: 0...253_402_300_799, using: &chance)))
            #expect(HTTPDate.read(HTTPDate.text(date)) == date)
        }
        let wrong = [
            "", "Sun, 06 Nov 1994 08:49:37 CET", "Mon, 06 Nov 1994 08:49:37 GMT", "Wed, 30 Feb 2000 00:00:00 GMT",
        ]
        for text in wrong { #expect(HTTPDate.read(text) == nil, "\(text)") }
    }

    @Test func `a written field cannot add a line`() {
        let request = HTTPWriter.request("GET", "a b\r\n%20é", ["X": "1\r\nY: 2", "Bad name": "3", "Z": "é"])
        #expect(
            String(decoding: request, as: UTF8.self)
                == "GET /a%20b%0D%0A%20%C3%A9 HTTP/1.1\r\nX: 1  Y: 2\r\nZ: é\r\n\r\n"
        )
        #expect(
            HTTPWriter.chunk([]) == []
                && HTTPWriter.chunk(Array(repeating: 0x61, count: 17)).starts(with: "11\r\n".utf8)
        )
    }

    /// Cuts bytes at random places.
    private static func cut(_ bytes: [UInt8], _ chance: inout SplitMix64) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 0...min(40, bytes.count), using: &chance))
            pieces.append(piece)
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
