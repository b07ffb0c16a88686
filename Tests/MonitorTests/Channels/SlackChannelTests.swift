// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The Slack channel", .unit, .timeLimit(.minutes(1))) struct SlackChannelTests {
    private static let fired = AlertNotification.Item(.sample(), .fired)

    /// The message that Slack has taken.
    private static func sent(_ notification: AlertNotification) async throws -> JSON {
        let bodies = Lock<[JSON]>([])
        try await RecordingReceiver.run(answering: SlackRules.answer) { receiver in
            let answer = try await SlackChannel(url: receiver.url("/services/T/B/x")).send(notification)
            #expect(answer == "\(receiver.origin) answered 200: ok")
            let received = try receiver.bodies
            bodies.withLock { $0 = received }
        }
        return try #require(bodies.withLock { $0.first })
    }

    @Test("says what fires and what is over")
    func message() async throws {
        let over = AlertNotification.Item(
            Alert.sample("EtcdSlowDisk", severity: .warning, summary: "a & b <c>").over(),
            .resolved
        )
        let message = try await Self.sent(.sample([Self.fired, over], openCount: 3))
        #expect(message["text"].text == "1 firing, 1 resolved: prod: etcd-1 is down")
        let blocks = message["blocks"]
        #expect(blocks[0]["text"]["text"].text == "🔴 1 firing, 1 resolved: prod" && blocks.elements.count == 4)
        let first = try #require(blocks[1]["text"]["text"].text)
        #expect(first.hasPrefix("🔴 *EtcdMemberDown* (fires)\netcd-1 is down\nIt does not answer."))
        #expect(first.hasSuffix("\n<https://docs.example/Monitoring.md#member-down|Runbook>"))
        let second = try #require(blocks[2]["text"]["text"].text)
        #expect(second.hasPrefix("✅ *EtcdSlowDisk* (is resolved)\na &amp; b &lt;c&gt;\n"))
        #expect(blocks[2]["fields"].elements.count == 3 && blocks[2]["fields"][0]["text"].text == "*Severity*\nwarning")
        let footer = blocks[3]["elements"].elements.map(\.["text"].text)
        #expect(footer == ["2 others fire still", "<https://monitor.example/|Monitor>"])
    }

    @Test(
        "says why it speaks again",
        arguments: [
            (AlertNotification.Reason.changed, "has a new severity"), (.repeated, "still fires"),
            (.test, "is a test"),
        ]
    )
    func reasons(reason: AlertNotification.Reason, words: String) async throws {
        let message = try await Self.sent(.sample(.sample(severity: .info), reason))
        #expect(message["blocks"][1]["text"]["text"].text?.hasPrefix("🔵 *EtcdMemberDown* (\(words))") == true)
        let title = reason == .test ? "prod: test of the channel ops: " : "1 firing: prod: "
        #expect(message["text"].text?.hasPrefix(title) == true)
    }

    @Test("keeps to Slack's limits, however much there is, and shows no markup of others")
    func limits() async throws {
        let message = try await Self.sent(.hostile)
        #expect(message["blocks"].elements.count == 12)
        #expect(message["blocks"][0]["text"]["text"].text?.hasPrefix("🔴 200 firing, 100 resolved: ") == true)
        let footer = message["blocks"][11]["elements"].elements.map(\.["text"].text)
        #expect(footer == ["and 290 more", "4800 others fire still", "<https://monitor.example/?a=1&amp;b=2|Monitor>"])
        #expect(message["blocks"][1]["text"]["text"].text?.contains("&lt;!channel&gt; &amp; [31m|*") == true)
        // Only what leads somewhere is a link.
        #expect(message["blocks"][2]["text"]["text"].text?.contains("Runbook: Docs/&lt;!channel") == true)
    }

    @Test("cuts no entity into pieces")
    func escaping() {
        #expect(SlackChannel.escaped("a<b>&\u{0}c\nd") == "a&lt;b&gt;&amp;c\nd")
        #expect(SlackChannel.escaped("&&&", limit: 16) == "&amp;&amp;&amp;")
        #expect(SlackChannel.escaped("&&&", limit: 15) == "&amp;&amp;…")
        #expect(SlackChannel.escaped("&&&", limit: 1) == "…")
        #expect(SlackChannel.escaped("🧨🧨", limit: 4) == "🧨…")
    }

    @Test("posts messages in a custom format")
    func customFormat() async throws {
        try await RecordingReceiver.run(answering: SlackRules.answer) { receiver in
            let channel = SlackChannel(url: receiver.url()) { notification in
                var message = SlackChannel.message(for: notification)
                message.text = "Look: \(message.text)"
                message.blocks = [.divider, .section("*a*", fields: ["b"]), .context(["c"])]
                return message
            }
            _ = try await channel.send(.sample([Self.fired]))
            let plain = SlackChannel(url: receiver.url()) { _ in SlackChannel.Message(text: "only this") }
            _ = try await plain.send(.sample([Self.fired]))
            let bodies = try receiver.bodies
            #expect(bodies[0]["text"].text?.hasPrefix("Look: 1 firing") == true)
            #expect(bodies[0]["blocks"].elements.map(\.["type"].text) == ["divider", "section", "context"])
            #expect(bodies[1].names == ["text"])
        }
    }

    @Test("takes only Slack's own word for a yes")
    func answers() async throws {
        try await RecordingReceiver.run(answering: SlackRules.answer) { receiver in
            let channel = SlackChannel(url: receiver.url())
            for (response, isPermanent) in [
                (HTTPResponse(200, "<html>Log in</html>"), false), (HTTPResponse(201, "ok"), false),
                (HTTPResponse(404, "no_service"), true), (HTTPResponse(410, "channel_is_archived"), true),
                (HTTPResponse(400, "invalid_payload"), true), (HTTPResponse(500, "rollup_error"), false),
            ] {
                receiver.answer(response)
                let error = try #require(await failure(channel, .sample([Self.fired])))
                #expect(error.isPermanent == isPermanent && error.message.contains(" answered \(response.status): "))
            }
            receiver.answer(HTTPResponse(429, "rate_limited", headers: ["Retry-After": "30"]))
            #expect(await failure(channel, .sample([Self.fired]))?.retryAfter == .seconds(30))
            #expect(await failure(channel, .sample([Self.fired])) == nil, "control")
        }
    }

    @Test("wants its end told, unless told otherwise")
    func delivery() {
        #expect(SlackChannel(url: Secret("")).delivery == AlertDelivery())
        #expect(!SlackChannel(url: Secret(""), HTTPChannelOptions(sendsResolved: false)).delivery.sendsResolved)
    }

    @Test(
        "the rules that these tests check for bite",
        arguments: [
            #"{}"#, #"{"text":""}"#, #"{"text":"a & b"}"#, #"{"text":"<!channel>"}"#, #"{"text":"a","channel":"b"}"#,
            #"{"text":"a","blocks":[]}"#,
            #"{"text":"a","blocks":[{"type":"header","text":{"type":"mrkdwn","text":"a"}}]}"#,
            #"{"text":"a","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}}]}"#,
            #"{"text":"a","blocks":[{"type":"odd"}]}"#, "not JSON",
        ]
    )
    func rules(body: String) {
        var request = HTTPRequest("POST", "/", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
        #expect(!SlackRules.violations(in: request).isEmpty)
        request.body = Array(#"{"text":"a &amp; <https://a.example/|b>"}"#.utf8)
        #expect(SlackRules.violations(in: request).isEmpty, "control")
    }
}
