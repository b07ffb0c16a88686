// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The PagerDuty channel", .unit, .timeLimit(.minutes(1))) struct PagerDutyChannelTests {
    private static let key = "0123456789abcdef0123456789ABCDEF"

    private static func run(
        _ body: (RecordingReceiver, PagerDutyService, PagerDutyChannel) async throws -> Void
    ) async throws {
        let service = PagerDutyService(routingKey: key)
        try await RecordingReceiver.run(answering: service.answer) { receiver in
            try await body(receiver, service, PagerDutyChannel(routingKey: Secret(key), endpoint: receiver.origin))
        }
    }

    @Test("opens one incident an alert, and resolves it with the same key")
    func incidents() async throws {
        try await Self.run { receiver, service, channel in
            let (first, second) = (Alert.sample(), Alert.sample(member: "2", severity: .warning))
            let answer = try await channel.send(.sample([.init(first, .fired), .init(second, .fired)]))
            #expect(answer.hasPrefix("\(receiver.origin) answered 202: ") && answer.contains("Event processed"))
            #expect(service.opened == [first.id, second.id])
            #expect(service.incidents[first.id]?.severity == "critical")
            #expect(service.incidents[second.id]?.severity == "warning")

            var worse = second
            worse.severity = .info
            _ = try await channel.send(.sample([.init(first, .repeated), .init(worse, .changed)]))
            #expect(service.opened.count == 2 && service.incidents[first.id]?.triggers == 2)
            #expect(service.incidents[second.id]?.severity == "info")

            _ = try await channel.send(.sample([.init(first, .repeated), .init(worse.over(), .resolved)]))
            #expect(service.incidents[second.id]?.isOpen == false && service.incidents[first.id]?.isOpen == true)
            _ = try await channel.send(.sample(first.over(), .resolved))
            #expect(service.incidents.values.allSatisfy { !$0.isOpen } && service.complaints.isEmpty)
            // Control: the end of an unknown incident is noticed.
            _ = try await channel.send(.sample(Alert.sample(member: "3").over(), .resolved))
            #expect(service.complaints.count == 1)
        }
    }

    @Test("sends the texts of the alert, with links")
    func event() async throws {
        try await Self.run { receiver, _, channel in
            let alert = Alert.sample(since: Date(timeIntervalSince1970: 1_767_323_045.5))
            _ = try await channel.send(.sample(alert))
            let event = try #require(try receiver.bodies.first)
            #expect(event["client"].text == "etcd-monitor" && event["client_url"].text == "https://monitor.example/")
            #expect(event["links"][0].texts == ["href": alert.runbook ?? "", "text": "Runbook"])
            let payload = event["payload"]
            #expect(payload["summary"].text == "prod: etcd-1 is down" && payload["source"].text == "prod")
            #expect(payload["component"].text == "8e9e05c52164694d" && payload["group"].text == "prod")
            #expect(payload["class"].text == "EtcdMemberDown")
            #expect(payload["timestamp"].text == "2026-01-02T03:04:06.500Z")
            let details = try #require(payload["custom_details"].texts)
            #expect(details["silent_seconds"] == "12.5" && details["code"] == "member-down")
            #expect(details["description"] == alert.description && details["runbook"] == alert.runbook)
        }
    }

    @Test("resolves the incident of a trial at once")
    func trial() async throws {
        try await Self.run { receiver, service, channel in
            let alert = Alert.sample("EtcdMonitorTrial", severity: .info)
            let answer = try await channel.send(.sample(alert, .test))
            #expect(answer.contains("answered 202: "))
            let actions = try receiver.bodies.map { $0["event_action"].text }
            #expect(actions == ["trigger", "resolve"])
            #expect(service.opened == [alert.id] && service.incidents[alert.id]?.isOpen == false)
        }
    }

    @Test("keeps PagerDuty's limits, however large an alert is")
    func limits() async throws {
        try await Self.run { receiver, service, channel in
            var items = Array(AlertNotification.hostile.items.prefix(6))
            let text = String(repeating: "\u{0}ü", count: 100_000)
            items.append(.init(.sample(summary: text, description: text), .fired))
            _ = try await channel.send(.sample(items, externalURL: "no link"))
            #expect(service.complaints.isEmpty && service.opened.count == 7)
            let last = try #require(try receiver.bodies.last)
            #expect(last["payload"]["summary"].text?.unicodeScalars.count == 1024)
            #expect(last["payload"]["custom_details"].names == ["error"])
            #expect(try receiver.bodies[0]["payload"]["custom_details"].names.contains("description"), "control")
        }
    }

    @Test("continues a long message that is tried again, and opens no incident twice")
    func interruption() async throws {
        try await Self.run { receiver, service, channel in
            let items = (0..<5).map { AlertNotification.Item(.sample(member: "\($0)"), .fired) }
            let ok = HTTPResponse(202, "{}")
            receiver.answer(ok, ok, HTTPResponse(429, "slow down", headers: ["Retry-After": "60"]))
            let error = await failure(channel, .sample(items))
            #expect(error?.isPermanent == false && error?.retryAfter == .seconds(60) && receiver.requests.count == 3)
            #expect(error?.mayHaveArrived == true)
            // Meanwhile there is a message about another cluster.
            _ = try await channel.send(.sample(.sample(cluster: "test")))
            receiver.answer(ok, HTTPResponse(500, ""))
            #expect(await failure(channel, .sample(items)) != nil)
            var changed = items
            changed[0].alert.severity = .warning
            changed[1] = .init(items[1].alert.over(), .resolved)
            _ = try await channel.send(.sample(changed))
            let told = try receiver.bodies.map { "\($0["payload"]["component"].text ?? $0["event_action"].text ?? "")" }
            #expect(told == ["0", "1", "2", "8e9e05c52164694d", "2", "3", "0", "resolve", "3", "4"])
            // Once all events are sent, the next message begins anew.
            _ = try await channel.send(.sample(changed))
            #expect(receiver.requests.count == 15 && service.incidents.count == 5)
        }
    }

    @Test("forgets an accepted event when its alert begins anew, but not because of a trial")
    func interruptedBeginnings() async throws {
        try await Self.run { receiver, service, channel in
            let items = ["1", "2"].map { AlertNotification.Item(.sample(member: $0), .fired) }
            func start() { receiver.answer(HTTPResponse(202, "{}"), HTTPResponse(429, "")) }
            start()
            #expect(await failure(channel, .sample(items)) != nil)
            _ = try await channel.send(.sample(.sample("EtcdMonitorTrial", severity: .info), .test))
            _ = try await channel.send(.sample(items))
            #expect(receiver.requests.count == 2 + 2 + 1, "control: the first is not sent again")

            start()
            #expect(await failure(channel, .sample(items)) != nil)
            let again = AlertNotification.Item(.sample(member: "1", since: Date() - 10), .fired)
            _ = try await channel.send(.sample([again]))
            #expect(receiver.requests.count == 5 + 2 + 1)
        }
    }

    @Test("sends the other alerts if one is refused")
    func refusedEvent() async throws {
        try await Self.run { receiver, service, channel in
            receiver.answer(HTTPResponse(400, "invalid event"))
            let items = (0..<3).map { AlertNotification.Item(.sample(member: "\($0)"), .fired) }
            let error = try #require(await failure(channel, .sample(items)))
            #expect(
                error.isPermanent && error.message == "1 of 3 events: \(receiver.origin) answered 400: invalid event"
            )
            #expect(service.opened == items.dropFirst().map(\.alert.id))
            _ = try await channel.send(.sample(items))
            #expect(service.opened.count == 3 && receiver.requests.count == 4)
        }
    }

    @Test("accepts only the status 202 as success")
    func answers() async throws {
        try await Self.run { receiver, _, channel in
            receiver.answer(HTTPResponse(200, "<html>"), HTTPResponse(403, Self.key), HTTPResponse(503, ""))
            let news = AlertNotification.sample(.sample())
            #expect(await failure(channel, news)?.isPermanent == false)
            let refused = await failure(channel, news)
            #expect(refused?.isPermanent == true && refused?.message.hasSuffix("answered 403: (secret)") == true)
            #expect(await failure(channel, news)?.isPermanent == false)
            #expect(await failure(channel, news) == nil, "control")
        }
    }

    @Test("sends events in a custom format")
    func customFormat() async throws {
        let service = PagerDutyService(routingKey: Self.key)
        try await RecordingReceiver.run(answering: service.answer) { receiver in
            let channel = PagerDutyChannel(routingKey: Secret(Self.key), endpoint: receiver.origin) {
                item,
                notification in
                var event = PagerDutyChannel.event(for: item, in: notification)
                event.payload?.severity = .error
                return event
            }
            _ = try await channel.send(.sample(.sample()))
            #expect(service.incidents.values.map(\.severity) == ["error"])
        }
    }

    @Test("uses PagerDuty's address by default")
    func endpoint() async throws {
        // There is no time for a connection.
        let channel = PagerDutyChannel(routingKey: Secret(Self.key), HTTPChannelOptions(timeout: .zero))
        #expect(await failure(channel, .sample(.sample()))?.message.hasPrefix("https://events.pagerduty.com: ") == true)
    }
}
