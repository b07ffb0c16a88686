// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// The behaviour that all channels over HTTP share, tested on the webhook.
@Suite("A channel over HTTP", .unit, .timeLimit(.minutes(1))) struct AlertReceiverTests {
    static let news = AlertNotification.sample(.sample())

    @Test("sends what a receiver needs, and the headers of its settings")
    func request() async throws {
        try await RecordingReceiver.run { receiver in
            let url = receiver.origin.replacing("http://", with: "http://user:pass@") + "/a%20b/?c=d%26"
            let headers = ["X-Team": Secret("db"), "host": Secret("alerts.example")]
            #expect(await failure(WebhookChannel(url: Secret("\(url)\n"), headers: headers), Self.news) == nil)
            let request = try #require(receiver.requests.first)
            #expect(request.method == "POST" && request.path == "/a b/" && request.query == ["c": "d&"])
            let expected = [
                "Authorization": "Basic dXNlcjpwYXNz", "Content-Type": "application/json", "Host": "alerts.example",
                "User-Agent": "etcd-monitor/\(MonitorVersion.current)", "X-Team": "db",
            ]
            for (name, value) in expected { #expect(request.headers.values(of: name) == [value]) }

            let own = WebhookChannel(url: Secret(url), headers: ["authorization": Secret("Bearer t")])
            #expect(await failure(own, Self.news) == nil)
            #expect(receiver.requests.last?.headers.values(of: "Authorization") == ["Bearer t"])
            #expect(receiver.requests.last?.headers["Host"] == "127.0.0.1:\(receiver.port)")
        }
    }

    @Test("reads its secrets again each time")
    func replacedFiles() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "url-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        try await RecordingReceiver.run { receiver in
            let channel = WebhookChannel(url: .file(file.path))
            let missing = await failure(channel, Self.news)
            #expect(missing?.isPermanent == true && missing?.message == "the URL: \(file.path) cannot be read")
            for path in ["/one", "/two"] {
                try Data("\(receiver.origin)\(path)\n".utf8).write(to: file)
                #expect(await failure(channel, Self.news) == nil)
            }
            #expect(receiver.requests.map(\.path) == ["/one", "/two"])
        }
    }

    // MARK: Answers

    @Test(
        "knows which refusals pass",
        arguments: [
            (301, true), (302, true), (307, true), (400, true), (401, true), (403, true), (404, true), (408, false),
            (410, true), (413, true), (422, true), (425, false), (429, false), (500, false), (502, false), (503, false),
            (504, false),
        ]
    )
    func refusals(status: Int, isPermanent: Bool) async throws {
        try await RecordingReceiver.run { receiver in
            let channel = WebhookChannel(url: receiver.url("/hook"))
            receiver.answer(HTTPResponse(status, "why", headers: ["Location": "\(receiver.origin)/other"]))
            let error = try #require(await failure(channel, Self.news))
            #expect(error.isPermanent == isPermanent && error.mayHaveArrived == [502, 504].contains(status))
            #expect(error.message == "\(receiver.origin) answered \(status): why" && error.retryAfter == nil)
            #expect(await failure(channel, Self.news) == nil, "control")
            #expect(receiver.requests.map(\.path) == ["/hook", "/hook"], "a redirect is not followed")
        }
    }

    @Test("takes any status from 200 to 299 for a yes", arguments: [200, 201, 202, 204])
    func success(status: Int) async throws {
        try await RecordingReceiver.run { receiver in
            receiver.answer(HTTPResponse(status))
            let answer = try await WebhookChannel(url: receiver.url()).send(Self.news)
            #expect(answer == "\(receiver.origin) answered \(status)")
        }
    }

    @Test(
        "reads the time that it must wait, in seconds and as a date",
        arguments: [
            ("7", 7.0), ("0", 0), ("86400", 86400), ("99999999999999999999999999", 1e9), ("soon", nil), ("-1", nil),
            ("1.5", nil), ("", nil),
        ] as [(String, Double?)]
    )
    func retryAfter(text: String, seconds: Double?) async throws {
        try await RecordingReceiver.run { receiver in
            for status in [429, 503] {
                receiver.answer(HTTPResponse(status, "", headers: ["Retry-After": text]))
                let error = await failure(WebhookChannel(url: receiver.url()), Self.news)
                #expect(error?.isPermanent == false && error?.retryAfter == seconds.map { .seconds($0) })
            }
        }
    }

    @Test("reckons a date by the clock of the receiver")
    func retryAfterDate() async throws {
        // A server of ours would set its own date.
        let ahead = Date() + 86400
        for (distance, expected) in [(90.0, 90.0), (-90, 0), (86400, 86400)] {
            let times = "Date: \(HTTPDate.text(ahead))\r\nRetry-After: \(HTTPDate.text(ahead + distance))\r\n"
            let answer = "HTTP/1.1 503 Busy\r\n\(times)Content-Length: 0\r\n\r\n"
            let error = try await Self.outcome(answeredBy: answer)
            #expect(error?.retryAfter == .seconds(expected))
        }
        let undated = "HTTP/1.1 503 Busy\r\nRetry-After: \(HTTPDate.text(Date() + 90))\r\nContent-Length: 0\r\n\r\n"
        let pause = try #require(try await Self.outcome(answeredBy: undated)?.retryAfter)
        #expect((.seconds(30)...(.seconds(91))).contains(pause))
    }

    @Test("quotes an answer in one line, cut, and without what is secret")
    func quotes() async throws {
        let secrets = ["s3cret-path-0001", "s3cret query", "s3cret-user", "s3cret-word", "s3cret-token", "s3cret-key"]
        try await RecordingReceiver.run { receiver in
            let url =
                receiver.origin.replacing("://", with: "://s3cret-user:s3cret-word@")
                + "/s3cret-path-0001?k=s3cret%20query"
            let channel = WebhookChannel(
                url: Secret(url),
                headers: ["Authorization": Secret("Bearer s3cret-token")],
                signingSecret: Secret("s3cret-key")
            )
            let echoes =
                secrets + [
                    url, "S3CRET-TOKEN", "Bearer s3cret-token", "s3cret%20query", "s3cr\u{0}et-key",
                    "s3cr\u{200b}et-key",
                    Data("s3cret-user:s3cret-word".utf8).base64EncodedString(), #"\/s3cret-path-0001"#,
                    String(repeating: "x", count: 185) + "s3cret-token",
                ]
            for echo in echoes {
                receiver.answer(HTTPResponse(404, "no \u{1b}[31m\r\n\t\(echo)  here"))
                let message = try #require(await failure(channel, Self.news)).message
                #expect(!message.lowercased().contains("s3cr") && !message.contains("czNjc"), "\(message)")
                #expect(message.contains("answered 404: no [31m "), "control: \(message)")
            }
            receiver.answer(HTTPResponse(404, String(repeating: "a\u{301}", count: 20000)))
            let long = try #require(await failure(channel, Self.news)).message
            #expect(long.unicodeScalars.count == "\(receiver.origin) answered 404: ".count + 200 && long.hasSuffix("…"))
        }
    }

    // MARK: Receivers that are broken

    @Test(
        "outlives receivers that answer with nonsense, too much, or not at all",
        arguments: [
            "", "SSH-2.0-OpenSSH_9.2p1\r\n", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "a", count: 65537),
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ]
    )
    func nonsense(answer: String) async throws {
        let error = try #require(try await Self.outcome(answeredBy: answer))
        #expect(!error.isPermanent && error.message.hasPrefix("http://127.0.0.1:"), "\(error)")
        #expect(error.mayHaveArrived)
        #expect(try await Self.outcome(answeredBy: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") == nil, "control")
    }

    @Test("waits for a receiver no longer than it is told")
    func slowness() async throws {
        let drip = { @Sendable (wire: HTTPWire) in
            try await wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while true {
                try await wire.send("a")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        try await withScript(drip) { endpoint in
            let options = HTTPChannelOptions(timeout: .milliseconds(300))
            let channel = WebhookChannel(url: Secret("http://127.0.0.1:\(endpoint.port)/"), options)
            #expect(await failure(channel, Self.news)?.isPermanent == false)
        }
        let patient = HTTPChannelOptions(timeout: .seconds(Int64.max))
        try await RecordingReceiver.run { receiver in
            #expect(await failure(WebhookChannel(url: receiver.url(), patient), Self.news) == nil, "control")
        }
    }

    @Test("says that nobody listens")
    func nobody() async throws {
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: nil)
        let url = "http://127.0.0.1:\(listener.port)"
        listener.close()
        let error = await failure(WebhookChannel(url: Secret("\(url)/hunter2")), Self.news)
        #expect(error?.isPermanent == false && error?.message.hasPrefix("\(url): ") == true)
    }

    @Test("ends when its task is cancelled")
    func cancellation() async throws {
        let silence = { @Sendable (wire: HTTPWire) in _ = try await wire.readAll() }
        try await withScript(silence) { endpoint in
            let url = Secret("http://127.0.0.1:\(endpoint.port)/")
            let sending = Task {
                await failure(WebhookChannel(url: url, HTTPChannelOptions(timeout: .seconds(50))), Self.news)
            }
            try await Task.sleep(for: .milliseconds(50))
            sending.cancel()
            #expect(await sending.value?.isPermanent == false)
        }
    }

    // MARK: TLS

    @Test("trusts the authorities it is told, and nobody else")
    func tls() async throws {
        let (authority, other) = (try TestCertificateAuthority(), try TestCertificateAuthority())
        let trusting = { HTTPChannelOptions(tls: TLSConfiguration(trustedCertificates: .text($0))) }
        try await RecordingReceiver.run(certificate: authority.issue("receiver")) { receiver in
            let url = receiver.url("/hunter2")
            #expect(
                await failure(WebhookChannel(url: url, trusting(authority.certificate)), Self.news) == nil,
                "control"
            )
            for options in [HTTPChannelOptions(), trusting(other.certificate)] {
                let error = try #require(await failure(WebhookChannel(url: url, options), Self.news))
                #expect(!error.isPermanent && error.message.contains("certificate"), "\(error)")
                #expect(!error.mayHaveArrived)
            }
            #expect(receiver.requests.count == 1)
        }
        let wrong = try authority.issue("receiver", hosts: ["other.example"], addresses: [])
        try await RecordingReceiver.run(certificate: wrong) { receiver in
            let error = await failure(WebhookChannel(url: receiver.url(), trusting(authority.certificate)), Self.news)
            #expect(error?.isPermanent == false && receiver.requests.isEmpty, "\(String(describing: error))")
        }
    }

    // MARK: Settings

    @Test("finds mistakes in its settings before it sends")
    func check() throws {
        let url = Secret("http://127.0.0.1:1/")
        func mistake(_ channel: any AlertChannel) -> AlertChannelError? {
            do throws(AlertChannelError) {
                try channel.check()
                return nil
            } catch {
                return error
            }
        }
        let missing = Secret.file("/nonexistent/secret")
        let badTLS = HTTPChannelOptions(tls: TLSConfiguration(trustedCertificates: .file("/nonexistent/ca.pem")))
        let wrong: [any AlertChannel] = [
            SlackChannel(url: Secret("hooks.slack.com")), SlackChannel(url: missing), SlackChannel(url: url, badTLS),
            PagerDutyChannel(routingKey: Secret("")), PagerDutyChannel(routingKey: missing),
            PagerDutyChannel(routingKey: Secret("a b")), PagerDutyChannel(routingKey: Secret("k"), endpoint: "x"),
            WebhookChannel(url: missing), WebhookChannel(url: url, signingSecret: missing),
            WebhookChannel(url: url, signingSecret: Secret("")),
            WebhookChannel(url: url, headers: ["X Y": Secret("v")]), WebhookChannel(url: url, headers: ["X": missing]),
            WebhookChannel(url: url, headers: ["X": Secret("a\r\nb")]),
            WebhookChannel(url: url, headers: ["Content-length": Secret("1")]),
            WebhookChannel(url: url, headers: ["Transfer-Encoding": Secret("chunked")]),
            AlertmanagerChannel(urls: []), AlertmanagerChannel(urls: [url, missing]),
        ]
        for channel in wrong { #expect(mistake(channel)?.isPermanent == true, "\(channel)") }
        let right: [any AlertChannel] = [
            SlackChannel(url: url), PagerDutyChannel(routingKey: Secret("k")), AlertmanagerChannel(urls: [url]),
            WebhookChannel(url: url, headers: ["X": Secret("a b")], signingSecret: Secret("s")), ConsoleChannel(),
        ]
        for channel in right { #expect(mistake(channel) == nil, "control: \(channel)") }
    }

    /// The failure at a server that answers with a text and hangs up.
    private static func outcome(answeredBy answer: String) async throws -> AlertChannelError? {
        let error = Lock<AlertChannelError?>(nil)
        let script = { @Sendable (wire: HTTPWire) in
            _ = try await wire.read(until: #""version":"4"}"#)
            try await wire.send(answer)
        }
        try await withScript(script) { endpoint in
            let url = Secret("http://127.0.0.1:\(endpoint.port)/hunter2")
            let found = await failure(WebhookChannel(url: url), news)
            error.withLock { $0 = found }
        }
        return error.withLock { $0 }
    }
}
