// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HTTPClientTests {
    /// Gets `/x` from a server that answers with a text once it has the request, and then hangs up.
    private static func get(
        answer: String,
        staysOpen: Bool = false,
        timeout: Duration = .seconds(10),
        maximumBody: Int = 100
    ) async throws -> Result<HTTPClient.Exchange, HTTPClientError> {
        let outcome = Lock<Result<HTTPClient.Exchange, HTTPClientError>?>(nil)
        let script = { @Sendable (wire: HTTPWire) in
            _ = try await wire.read(until: "\r\n\r\n")
            try await wire.send(answer)
            if staysOpen { _ = try await wire.readAll() }
        }
        try await withScript(script) { endpoint in
            do throws(HTTPClientError) {
                let exchange = try await HTTPClient().get(
                    "/x",
                    at: endpoint,
                    timeout: timeout,
                    maximumBody: maximumBody
                )
                outcome.withLock { $0 = .success(exchange) }
            } catch {
                outcome.withLock { $0 = .failure(error) }
            }
        }
        return try #require(outcome.withLock { $0 })
    }

    private static func reason(
        answer: String,
        staysOpen: Bool = false,
        timeout: Duration = .seconds(10)
    ) async throws -> ProbeFailure.Reason? {
        do {
            _ = try await get(answer: answer, staysOpen: staysOpen, timeout: timeout).get()
            return nil
        } catch let error as HTTPClientError {
            return error.reason
        }
    }

    @Test func `the request has the required fields, and no others`() async throws {
        let requests = Lock<[String]>([])
        let script = { @Sendable (wire: HTTPWire) in
            let isFirst = requests.withLock { $0.isEmpty }
            let request = try await wire.read(until: isFirst ? "\r\n\r\n" : "abc")
            requests.withLock { $0.append(request) }
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        }
        try await withScript(script) { endpoint in
            let client = HTTPClient()
            _ = try await client.get("/a?b=c", at: endpoint, timeout: .seconds(10), maximumBody: 0)
            _ = try await client.send(
                "POST",
                "/hook",
                headers: ["Content-Type": "text/plain"],
                body: Array("abc".utf8),
                at: endpoint,
                timeout: .seconds(10),
                maximumBody: 0
            )
            let common = "Accept-Encoding: identity\r\nConnection: close\r\n"
            let host = "Host: 127.0.0.1:\(endpoint.port)\r\nUser-Agent: etcd-kit-swift\r\n"
            let expected = [
                "GET /a?b=c HTTP/1.1\r\n\(host)\(common)\r\n",
                "POST /hook HTTP/1.1\r\nContent-Type: text/plain\r\n\(host)\(common)Content-Length: 3\r\n\r\nabc",
            ]
            #expect(requests.withLock { $0 } == expected)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ])
    func `a response is read in each of its framings`(answer: String) async throws {
        let exchange = try await Self.get(answer: answer, maximumBody: 5).get()
        #expect(exchange.response.status == 200 && exchange.body == Array("hello".utf8))
        #expect(exchange.seconds > 0 && exchange.sent <= exchange.received && exchange.certificates.isEmpty)
    }

    @Test func `a redirect and an error are responses like others`() async throws {
        for status in [301, 404, 503] {
            let answer = "HTTP/1.1 \(status) X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
            #expect(try await Self.get(answer: answer).get().response.status == status)
        }
    }

    @Test func `the server's clock is known to a second`() async throws {
        let ahead = Date() + 100
        let exchange = try await Self.get(answer: "HTTP/1.1 200 OK\r\nDate: \(HTTPDate.text(ahead))\r\n\r\n").get()
        let offset = try #require(exchange.clockOffset)
        #expect(offset.contains(100 - 0.5) || offset.contains(100) || offset.contains(100 + 0.5))
        #expect(offset.upperBound - offset.lowerBound >= 1 && offset.lowerBound > 50 && offset.upperBound < 150)
        #expect(try await Self.get(answer: "HTTP/1.1 200 OK\r\n\r\n").get().clockOffset == nil)
    }

    @Test func `a response that is cut off counts as a broken connection`() async throws {
        let cut = [
            "", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ]
        for answer in cut { #expect(try await Self.reason(answer: answer) == .refused, "\(answer)") }
    }

    @Test func `nonsense and excess are refused`() async throws {
        let body = String(repeating: "a", count: 101)
        let bad = [
            "SSH-2.0-OpenSSH_9.2p1\r\n", "\0\0\u{12}\u{4}\0\0\0\0\0\0\0", "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n\(body)", "HTTP/1.0 200 OK\r\n\r\n\(body)",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n\(body)\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: " + String(repeating: "a", count: 40000),
            "HTTP/1.1 200 OK\r\n" + String(repeating: "X: a\r\n", count: 101) + "\r\n",
        ]
        for answer in bad {
            #expect(try await Self.reason(answer: answer, staysOpen: true) == .malformed, "\(answer.prefix(80))")
        }
    }

    @Test func `the deadline holds for the whole exchange`() async throws {
        for answer in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"] {
            let reason = try await Self.reason(answer: answer, staysOpen: true, timeout: .milliseconds(200))
            #expect(reason == .timedOut, "\(answer)")
        }
        // A server that goes on sending does not get more time.
        let drip = { @Sendable (wire: HTTPWire) in
            try await wire.send("HTTP/1.1 200 OK\r\n")
            while true {
                try await wire.send("X: a\r\n")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        try await withScript(drip) { endpoint in
            let error = await #expect(throws: HTTPClientError.self) {
                try await HTTPClient().get("/", at: endpoint, timeout: .milliseconds(300), maximumBody: 9)
            }
            #expect(error?.reason == .timedOut)
        }
    }

    @Test func `a refused connection is distinguished from a missing answer`() async throws {
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: nil)
        let endpoint = try Endpoint("127.0.0.1:\(listener.port)")
        listener.close()
        let error = await #expect(throws: HTTPClientError.self) {
            try await HTTPClient().get("/", at: endpoint, timeout: .seconds(10), maximumBody: 9)
        }
        #expect(error?.reason == .refused)
    }
}
