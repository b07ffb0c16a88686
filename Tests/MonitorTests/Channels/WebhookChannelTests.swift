// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The webhook channel", .cluster, .timeLimit(.minutes(1))) struct WebhookChannelTests {
    private static let time = Date(timeIntervalSince1970: 1_767_323_045.625)

    @Test("posts the format of Alertmanager")
    func payload() async throws {
        let fired = Alert.sample(since: Self.time - 60)
        let over = Alert.sample("EtcdSlowDisk", severity: .warning, description: "", runbook: nil).over(at: Date())
        let news = AlertNotification.sample([.init(fired, .fired), .init(over, .resolved)], openCount: 3)
        try await RecordingReceiver.run { receiver in
            _ = try await WebhookChannel(url: receiver.url("/hook")).send(news)
            let request = try #require(receiver.requests.first)
            #expect(WebhookRules.violations(in: request) == [])
            #expect(request.headers["Idempotency-Key"] == news.id)
            #expect(request.headers["X-Etcd-Monitor-Signature"] == nil)
            let body = try JSON(request.body)
            #expect(
                body["groupKey"].text == #"{}:{cluster="prod"}"# && body["groupLabels"].texts == ["cluster": "prod"]
            )
            #expect(body["receiver"].text == "ops" && body["externalURL"].text == "https://monitor.example/")
            #expect(body["status"].text == "firing" && body["truncatedAlerts"] == .number(2))
            #expect(
                body["commonLabels"].texts == ["cluster": "prod", "code": "member-down", "member": "8e9e05c52164694d"]
            )
            #expect(body["commonAnnotations"].texts == ["summary": "etcd-1 is down"])
            let (first, second) = (body["alerts"][0], body["alerts"][1])
            #expect(first["labels"].texts == fired.labelsWithSeverity && first["fingerprint"].text == fired.id)
            #expect(first["annotations"].texts?.keys.sorted() == ["description", "runbook_url", "summary"])
            #expect(first["startsAt"].text == "2026-01-02T03:03:06.625Z")
            #expect(first["endsAt"].text == "0001-01-01T00:00:00Z" && first["status"].text == "firing")
            #expect(second["status"].text == "resolved" && second["annotations"].names == ["summary"])
            #expect(second["endsAt"].text == over.resolvedAt?.rfc3339)
        }
    }

    @Test("marks a group as resolved once none of its alerts fires")
    func groupStatus() {
        let over = AlertNotification.Item(Alert.sample().over(), .resolved)
        #expect(WebhookChannel.Payload(.sample([over], openCount: 1)).status == .firing)
        #expect(WebhookChannel.Payload(.sample([over], openCount: 0)).status == .resolved)
        #expect(WebhookChannel.Payload(.sample([.init(.sample(), .test)], openCount: 0)).status == .firing)
    }

    @Test("keeps the format whatever the names are")
    func hostileNames() async throws {
        try await RecordingReceiver.run { receiver in
            _ = try await WebhookChannel(url: receiver.url()).send(.hostile)
            let request = try #require(receiver.requests.first)
            #expect(WebhookRules.violations(in: request) == [])
            let quoted = AlertNotification.sample([.init(.sample(cluster: #"a"\b"#), .fired)], externalURL: nil)
            _ = try await WebhookChannel(url: receiver.url()).send(quoted)
            let body = try #require(try receiver.bodies.last)
            #expect(body["groupKey"].text == #"{}:{cluster="a\"\\b"}"# && body["externalURL"].text == "")
        }
    }

    @Test("signs the message and its time")
    func signature() async throws {
        try await RecordingReceiver.run { receiver in
            let channel = WebhookChannel(url: receiver.url(), signingSecret: Secret("hunter2 ü"))
            let before = Int(Date().timeIntervalSince1970)
            _ = try await channel.send(.sample(.sample()))
            let request = try #require(receiver.requests.first)
            let header = try #require(request.headers["X-Etcd-Monitor-Signature"])
            let match = try #require(header.wholeMatch(of: /t=(\d+),v1=([0-9a-f]{64})/))
            let time = try #require(Int(match.output.1))
            #expect((before...Int(Date().timeIntervalSince1970)).contains(time))
            guard FileManager.default.isExecutableFile(atPath: "/usr/bin/openssl") else { return }
            let signed = Array("\(time).".utf8) + request.body
            #expect(try Self.openSSLCode(of: signed, key: "hunter2 ü") == String(match.output.2))
            #expect(try Self.openSSLCode(of: signed + [0x20], key: "hunter2 ü") != String(match.output.2), "control")
        }
    }

    /// The code that the program `openssl` makes.
    private static func openSSLCode(of message: [UInt8], key: String) throws -> String {
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        let digits = key.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        process.arguments = ["dgst", "-sha256", "-r", "-mac", "HMAC", "-macopt", "hexkey:\(digits)"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(message))
        try input.fileHandleForWriting.close()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return String(text.prefix(64))
    }

    @Test(
        "computes the codes of RFC 4231",
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
            ([], "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
        ]
    )
    func code(key: [UInt8], message: String, expected: String) throws {
        let code = try #require(HMACSHA256.code(of: Array(message.utf8), key: key))
        #expect(code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == expected)
    }

    @Test("posts messages in a custom format")
    func customFormat() async throws {
        try await RecordingReceiver.run { receiver in
            let changed = WebhookChannel(url: receiver.url()) { notification in
                var payload = WebhookChannel.Payload(notification)
                payload.commonLabels["team"] = "db"
                return WebhookChannel.Message(json: payload)
            }
            _ = try await changed.send(.sample(.sample()))
            #expect(try receiver.bodies.first?["commonLabels"]["team"].text == "db")
            let other = WebhookChannel(url: receiver.url()) { _ in
                WebhookChannel.Message(contentType: "text/plain", body: Array("hello".utf8))
            }
            _ = try await other.send(.sample(.sample()))
            #expect(receiver.requests.last?.headers["Content-Type"] == "text/plain")
            #expect(receiver.requests.last?.body == Array("hello".utf8))
            let empty = WebhookChannel(url: receiver.url()) { _ in WebhookChannel.Message(contentType: "a/b", body: [])
            }
            #expect(await failure(empty, .sample(.sample()))?.isPermanent == true && receiver.requests.count == 2)
        }
    }
}
