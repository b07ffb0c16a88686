// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The Alertmanager channel", .unit, .timeLimit(.minutes(1))) struct AlertmanagerChannelTests {
    private static func sent(
        _ notification: AlertNotification,
        format: (@Sendable (AlertNotification.Item, AlertNotification) -> AlertmanagerChannel.Content)? = nil
    ) async throws -> [JSON] {
        let alerts = Lock<[JSON]>([])
        try await RecordingReceiver.run { receiver in
            _ = try await AlertmanagerChannel(urls: [receiver.url()], format: format).send(notification)
            #expect(receiver.requests.map(\.path) == ["/api/v2/alerts"])
            let bodies = try receiver.bodies
            alerts.withLock { $0 = bodies[0].elements }
        }
        return alerts.withLock { $0 }
    }

    @Test("posts alerts as Prometheus does")
    func alerts() async throws {
        let (now, fired) = (Date(), Alert.sample())
        let over = Alert.sample(member: "2", description: "", runbook: nil).over(at: now - 5)
        let alerts = try await Self.sent(.sample([.init(fired, .repeated), .init(over, .resolved)], time: now))
        try #require(alerts.count == 2)
        #expect(alerts[0].names == ["labels", "annotations", "startsAt", "endsAt", "generatorURL"])
        #expect(alerts[0]["labels"].texts == fired.labelsWithSeverity)
        #expect(alerts[0]["annotations"].texts == fired.annotations && fired.annotations.count == 3)
        #expect(alerts[0]["startsAt"].text == fired.firingSince?.rfc3339)
        #expect(alerts[0]["generatorURL"].text == "https://monitor.example/")
        let end = try #require(alerts[0]["endsAt"].date)
        #expect(((now + 239)...(now + 300)).contains(end))
        #expect(alerts[1]["endsAt"].text == (now - 5).rfc3339)
        #expect(alerts[1]["annotations"].names == ["summary"])
    }

    @Test("sets the end in the future, also for a message that has waited")
    func lateMessage() async throws {
        let alert = try #require(try await Self.sent(.sample([.init(.sample(), .fired)], time: Date() - 3600)).first)
        #expect(try #require(alert["endsAt"].date) > Date() + 200)
    }

    @Test("ends the alerts of the past severities", arguments: AlertNotification.Reason.allCases)
    func severities(reason: AlertNotification.Reason) async throws {
        let now = Date()
        var alert = Alert.sample(severity: .critical)
        alert.pastSeverities = [.critical, .info, .warning]
        if reason == .resolved { alert = alert.over(at: now - 5) }
        let alerts = try await Self.sent(.sample([.init(alert, reason)], time: now))
        let severities = alerts.map { $0["labels"]["severity"].text }
        #expect(severities == (reason == .repeated ? ["critical"] : ["info", "warning", "critical"]))
        let ends = alerts.dropLast().map(\.["endsAt"].text)
        #expect(ends.allSatisfy { $0 == (reason == .resolved ? now - 5 : now).rfc3339 })
        #expect(alerts.allSatisfy { $0["labels"]["member"].text == "8e9e05c52164694d" })
    }

    @Test("never ends an alert before it begins, and has names that Alertmanager takes")
    func extremes() async throws {
        let odd = Alert.sample(labels: ["a-b": "1", "2c": "2", "ü": "3"]).over(at: Date() - 86400)
        let alert = try #require(try await Self.sent(.sample([.init(odd, .resolved)], externalURL: nil)).first)
        #expect(alert["endsAt"].text == alert["startsAt"].text && !alert.names.contains("generatorURL"))
        let labels = try #require(alert["labels"].texts)
        #expect(labels["a_b"] == "1" && labels["_2c"] == "2" && labels["__"] == "3" && labels["alertname"] != nil)
    }

    @Test("posts alerts in a custom format, and ends them by their own labels")
    func customFormat() async throws {
        var alert = Alert.sample(severity: .critical)
        alert.pastSeverities = [.warning]
        let alerts = try await Self.sent(.sample([.init(alert, .changed)])) { item, notification in
            var content = AlertmanagerChannel.content(of: item, in: notification)
            content.labels["severity"] = "p-\(item.alert.severity)"
            return content
        }
        #expect(alerts.map { $0["labels"]["severity"].text } == ["p-warning", "p-critical"])
    }

    // MARK: Several instances

    @Test("posts to all instances, and succeeds if one accepts")
    func instances() async throws {
        try await RecordingReceiver.run { first in
            try await RecordingReceiver.run { second in
                let urls = [first.url("/a"), Secret("http://127.0.0.1:1/leak"), second.url("/b/")]
                first.answer(HTTPResponse(500, "tired"))
                let answer = try await AlertmanagerChannel(urls: urls).send(.sample(.sample()))
                #expect(
                    answer.hasPrefix("\(second.origin) answered 200; FAILED: \(first.origin) answered 500: tired; ")
                )
                #expect(answer.contains("FAILED: http://127.0.0.1:1: ") && !answer.contains("leak"))
                #expect(first.requests.map(\.path) == ["/a/api/v2/alerts"])
                #expect(second.requests.map(\.path) == ["/b/api/v2/alerts"])
                #expect(first.requests.first?.body == second.requests.first?.body)
            }
        }
    }

    @Test("posts to all instances at the same time")
    func slowInstance() async throws {
        let (told, tell) = AsyncStream.makeStream(of: Void.self)
        // The first instance answers once the second one has been asked.
        try await RecordingReceiver.run(answering: { _ in
            for await _ in told { break }
            return HTTPResponse(200)
        }) { first in
            try await RecordingReceiver.run(answering: { _ in
                tell.yield()
                return HTTPResponse(200)
            }) { second in
                let channel = AlertmanagerChannel(urls: [first.url(), second.url()])
                let answer = try await channel.send(.sample(.sample()))
                #expect(!answer.contains("FAILED"))
            }
        }
    }

    @Test("fails if no instance accepts the alerts, permanently only if all refuse them permanently")
    func failures() async throws {
        func outcome(_ first: HTTPResponse, _ second: HTTPResponse) async throws -> AlertChannelError? {
            let error = Lock<AlertChannelError?>(nil)
            try await RecordingReceiver.run(answering: { _ in first }) { one in
                try await RecordingReceiver.run(answering: { _ in second }) { other in
                    let channel = AlertmanagerChannel(urls: [one.url(), other.url()])
                    let found = await failure(channel, .sample(.sample()))
                    error.withLock { $0 = found }
                }
            }
            return error.withLock { $0 }
        }
        let (bad, busy) = (HTTPResponse(400, "bad"), HTTPResponse(503, "busy", headers: ["Retry-After": "9"]))
        let later = HTTPResponse(429, "later", headers: ["Retry-After": "20"])
        let refused = try #require(try await outcome(bad, bad))
        #expect(refused.isPermanent && refused.message.components(separatedBy: "answered 400: bad").count == 3)
        let mixed = try #require(try await outcome(bad, busy))
        #expect(!mixed.isPermanent && mixed.retryAfter == nil)
        #expect(try await outcome(later, busy)?.retryAfter == .seconds(9))
        #expect(try await outcome(bad, HTTPResponse(200)) == nil, "control")
        #expect(await failure(AlertmanagerChannel(urls: []), .sample(.sample()))?.isPermanent == true)
    }

    @Test("sends an alert at once, each minute, and for a quarter of an hour after its end")
    func delivery() {
        let expected = AlertDelivery(isGrouped: false, keepAlive: .seconds(60), resolvedKeepAlive: .seconds(900))
        #expect(AlertmanagerChannel(urls: []).delivery == expected)
    }
}
