// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HTTPServerTests {
    @Test func `a connection serves one request after the other, until the client ends it`() async throws {
        try await withServer { port in
            let wire = try await HTTPWire(port: port)
            for number in 1...3 {
                try await wire.send("GET /\(number) HTTP/1.1\r\nHost: a\r\n\r\n")
                let answer = try await wire.read(until: "\n")
                let text = try await answer + (answer.hasSuffix("\r\n\r\n") ? wire.read(until: "\n") : "")
                #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.hasSuffix("\r\n\r\nGET /\(number) \n"))
                #expect(text.contains("\r\nContent-Length: 8\r\n") && !text.contains("Connection: close"))
                let date = text.split(separator: "\r\n").first { $0.hasPrefix("Date: ") }?.dropFirst(6)
                let age = HTTPDate.read(String(date ?? "")).map { Date().timeIntervalSince($0) }
                #expect(try #require(age).magnitude < 30)
            }
            try await wire.send(HTTPWire.last)
            #expect(try await wire.readAll().contains("\r\nConnection: close\r\n"))
        }
    }

    @Test func `a response to HEAD has the length but no body, and 204 has neither`() async throws {
        try await withServer(respond: { await $0.path == "/x" ? echo($0) : HTTPResponse(204, .bytes([1])) }) { port in
            let wire = try await HTTPWire(port: port)
            try await wire.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try await wire.read(until: "\r\n\r\n")
            #expect(head.contains("Content-Length: 9\r\n") && head.hasSuffix("\r\n\r\n"))
            try await wire.send("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
            let none = try await wire.read(until: "\r\n\r\n")
            #expect(none.hasPrefix("HTTP/1.1 204 No Content\r\n") && !none.contains("Content-Length"))
            try await wire.send(HTTPWire.last)
            #expect(try await wire.readAll().hasSuffix("GET /x \n"))
        }
    }

    @Test func `a client that expects 100 Continue gets it before it sends the body`() async throws {
        let head = "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        try await withServer { port in
            let wire = try await HTTPWire(port: port)
            try await wire.send(head + "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
            #expect(try await wire.read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
            try await wire.send("abc")
            #expect(try await wire.readAll().hasSuffix("\r\n\r\nPOST /x abc\n"))
            // A client that has sent the body, or sends none, gets no 100 Continue.
            for rest in ["Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "Expect: 100-continue\r\n\r\n"] {
                #expect(try await HTTPWire.exchange(port, head + rest).hasPrefix("HTTP/1.1 200 OK\r\n"))
            }
            let other = try await HTTPWire.exchange(port, head + "Expect: a-miracle\r\n\r\n")
            #expect(other.hasPrefix("HTTP/1.1 417 Expectation Failed\r\n"))
        }
    }

    @Test func `bodies go in and out in chunks`() async throws {
        let respond = { @Sendable (request: HTTPRequest) in
            HTTPResponse(
                200,
                .stream(
                    AsyncStream { parts in
                        for part in ["one", "", String(decoding: request.body, as: UTF8.self)] {
                            parts.yield(Array(part.utf8))
                        }
                        parts.finish()
                    }
                )
            )
        }
        try await withServer(respond: respond) { port in
            let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
            let answer = try await HTTPWire.exchange(port, "POST / HTTP/1.1\r\nHost: a\r\n" + chunked)
            #expect(answer.contains("Transfer-Encoding: chunked\r\n") && !answer.contains("Content-Length"))
            #expect(answer.hasSuffix("\r\n\r\n3\r\none\r\n3\r\nabc\r\n0\r\n\r\n"))
            // HTTP/1.0 knows no chunks: the body ends with the connection.
            let old = try await HTTPWire.exchange(port, "GET / HTTP/1.0\r\n\r\n")
            #expect(old.hasSuffix("\r\n\r\none") && !old.contains("chunked"))
            let head = try await HTTPWire.exchange(port, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(head.contains("chunked\r\n") && head.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func `of pipelined requests the first is answered, and the connection ends`() async throws {
        let served = Lock(0)
        let respond = { @Sendable (request: HTTPRequest) async -> HTTPResponse in
            served.withLock { $0 += 1 }
            return await echo(request)
        }
        try await withServer(respond: respond) { port in
            let answer = try await HTTPWire.exchange(port, HTTPWire.get + HTTPWire.get + HTTPWire.get)
            #expect(answer.contains("Connection: close\r\n") && answer.hasSuffix("\r\n\r\nGET /x \n"))
            #expect(answer.split(separator: "HTTP/1.1").count == 1 && served.withLock { $0 } == 1)
        }
    }

    @Test func `a client that has ended its writes gets its answer`() async throws {
        try await withServer { port in
            for (request, status) in [(HTTPWire.last, "200"), ("GET /x HTTP/1.1\r\nHo", "400")] {
                let wire = try await HTTPWire(port: port)
                try await wire.send(request)
                try await wire.stream.shutdownWrites()
                #expect(try await wire.readAll().hasPrefix("HTTP/1.1 \(status) "))
            }
        }
    }

    @Test func `an invalid request is answered with a problem, and the connection ends`() async throws {
        var options = HTTPServer.Options()
        options.limits.body = 1000
        try await withServer(options) { port in
            let garbage = [
                ("\u{16}\u{3}\u{1}garbage", 400), ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/3.0\r\n\r\n", 505),
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
                ("GET /" + String(repeating: "a", count: 20000), 414),
            ]
            for (text, status) in garbage {
                let answer = try await HTTPWire.exchange(port, text)
                #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(answer)")
                #expect(answer.contains("Content-Type: application/problem+json\r\n"))
                #expect(answer.contains("Connection: close\r\n") && answer.contains("\"status\":\(status),"))
            }
            // Bytes beyond the limit do not keep the client from reading why it is refused.
            let body = String(repeating: "a", count: 500_000)
            let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n" + body
            #expect(try await HTTPWire.exchange(port, post).hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test func `a response cannot add a field or another length`() async throws {
        let headers: HTTPHeaders = ["X": "1\r\nSet-Cookie: a", "Content-Length": "99", "Connection": "keep-alive"]
        try await withServer(respond: { _ in HTTPResponse(200, headers: headers, .bytes([0x61])) }) { port in
            let answer = try await HTTPWire.exchange(port, HTTPWire.last)
            #expect(answer.contains("X: 1  Set-Cookie: a\r\n") && answer.contains("Content-Length: 1\r\n"))
            #expect(!answer.contains("99") && !answer.contains("keep-alive"))
        }
    }

    @Test func `a server with TLS shows its certificate`() async throws {
        let authority = try TestCertificateAuthority()
        let server = try authority.issue("monitor")
        var options = HTTPServer.Options()
        options.tls = TLSServerConfiguration(
            certificateChain: .text(server.certificate + authority.certificate),
            privateKey: .text(server.key)
        )
        try await withServer(options) { port in
            let client = HTTPClient(tls: TLSConfiguration(trustedCertificates: .text(authority.certificate)))
            let endpoint = try Endpoint("https://127.0.0.1:\(port)")
            for _ in 0..<2 {
                // A client without TLS does not disturb the others.
                #expect((try? await HTTPWire.exchange(port, HTTPWire.last))?.contains("200 OK") != true)
                let exchange = try await client.get("/tls", at: endpoint, timeout: .seconds(10), maximumBody: 100)
                #expect(String(decoding: exchange.body, as: UTF8.self) == "GET /tls \n")
                #expect(exchange.certificates.map(\.role) == [.server, .authority])
                #expect(exchange.certificates.first?.subject.contains("monitor") == true)
                #expect(try #require(exchange.certificates.first).notAfter > Date())
            }
            let other = try TestCertificateAuthority().certificate
            let stranger = HTTPClient(tls: TLSConfiguration(trustedCertificates: .text(other)))
            let error = await #expect(throws: HTTPClientError.self) {
                try await stranger.get("/", at: endpoint, timeout: .seconds(10), maximumBody: 100)
            }
            #expect(error?.reason == .tls)
        }
    }

    @Test func `the error names a port that is in use`() async throws {
        try await withServer { port in
            var options = HTTPServer.Options()
            options.port = port
            let error = await #expect(throws: HTTPServerError.self) {
                try await HTTPServer(options, respond: echo).run()
            }
            #expect(error?.message.contains("127.0.0.1:\(port)") == true)
        }
    }
}
