// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(
    "A real Alertmanager",
    .cluster,
    .timeLimit(.minutes(2)),
    .enabled(if: AlertmanagerProcess.program != nil, "there is no prometheus-alertmanager on PATH")
)
struct RealAlertmanagerTests {
    private static func run(_ body: (AlertmanagerProcess) async throws -> Void) async throws {
        let alertmanager = try AlertmanagerProcess()
        defer { alertmanager.stop() }
        try await alertmanager.ready()
        try await body(alertmanager)
    }

    @Test("has an alert as long as it is kept alive, and until it is over")
    func life() async throws {
        try await Self.run { alertmanager in
            let channel = AlertmanagerChannel(urls: [alertmanager.url])
            let alert = Alert.sample()
            _ = try await channel.send(.sample(alert))
            let first = try await alertmanager.alerts()
            try #require(first.count == 1, "\(first) \(alertmanager.log)")
            #expect(first[0]["labels"].texts == alert.labelsWithSeverity)
            #expect(first[0]["annotations"].texts == alert.annotations)
            #expect(first[0]["generatorURL"].text == "https://monitor.example/")
            let isActive = await eventually {
                (try? await alertmanager.alerts().first?["status"]["state"].text) == "active"
            }
            #expect(isActive)
            let end = try #require(first[0]["endsAt"].date)
            #expect(end > Date() + 200)

            try await Task.sleep(for: .milliseconds(20))
            var renewed = alert
            renewed.summary = "etcd-1 is down for a while"
            _ = try await channel.send(.sample(renewed, .repeated))
            let second = try await alertmanager.alerts()
            #expect(second.count == 1 && second.first?["annotations"]["summary"].text == renewed.summary)
            #expect(try #require(second.first?["endsAt"].date) > end)
            #expect(second.first?["startsAt"].text == first[0]["startsAt"].text)

            // Its end is sent for a while, and the alert does not come back.
            let over = alert.over()
            for _ in 0..<2 {
                _ = try await channel.send(.sample(over, .resolved))
                #expect(try await alertmanager.alerts().isEmpty)
            }
        }
    }

    @Test("has an alert once when its severity changes")
    func severityChange() async throws {
        try await Self.run { alertmanager in
            let channel = AlertmanagerChannel(urls: [alertmanager.url])
            var alert = Alert.sample(severity: .warning)
            _ = try await channel.send(.sample(alert))
            alert.severity = .critical
            _ = try await channel.send(.sample(alert, .repeated))
            #expect(try await alertmanager.alerts().count == 2, "control: the severity is a part of the identity")
            alert.pastSeverities = [.warning]
            _ = try await channel.send(.sample(alert, .changed))
            #expect(try await alertmanager.alerts().map { $0["labels"]["severity"].text } == ["critical"])
            // And back.
            alert.severity = .warning
            alert.pastSeverities = [.warning, .critical]
            _ = try await channel.send(.sample(alert, .changed))
            #expect(try await alertmanager.alerts().map { $0["labels"]["severity"].text } == ["warning"])
            _ = try await channel.send(.sample(alert.over(), .resolved))
            #expect(try await alertmanager.alerts().isEmpty)
        }
    }

    @Test("accepts all contents of an alert, also while another instance is down")
    func hostileNames() async throws {
        try await Self.run { alertmanager in
            let channel = AlertmanagerChannel(urls: [Secret("http://127.0.0.1:1"), alertmanager.url])
            let answer = try await channel.send(.hostile)
            #expect(answer.hasPrefix("http://127.0.0.1:\(alertmanager.port) answered 200"))
            #expect(answer.contains("FAILED: http://127.0.0.1:1: "))
            #expect(try await alertmanager.alerts().count == 200)
            // Control: it refuses an invalid alert.
            let bad = AlertmanagerChannel(urls: [alertmanager.url]) { _, _ in .init(labels: [:]) }
            #expect(await failure(bad, .sample(.sample()))?.isPermanent == true)
        }
    }

    @Test("posts webhooks of the same format as ours")
    func webhookForm() async throws {
        try await RecordingReceiver.run { receiver in
            let alertmanager = try AlertmanagerProcess(webhook: "\(receiver.origin)/theirs")
            defer { alertmanager.stop() }
            try await alertmanager.ready()
            let channels: [any AlertChannel] = [
                AlertmanagerChannel(urls: [alertmanager.url]), WebhookChannel(url: receiver.url("/ours")),
            ]
            let alert = Alert.sample()
            for news in [AlertNotification.sample(alert), .sample(alert.over(), .resolved)] {
                for channel in channels { _ = try await channel.send(news) }
                let status = news.firing.isEmpty ? "resolved" : "firing"
                func body(_ path: String) throws -> HTTPRequest? {
                    try receiver.requests.last { try $0.path == path && JSON($0.body)["status"].text == status }
                }
                #expect(await eventually { (try? body("/theirs")) != nil }, "\(alertmanager.log)")
                let (theirs, ours) = (try #require(try body("/theirs")), try #require(try body("/ours")))
                #expect(WebhookRules.violations(in: theirs) == [] && WebhookRules.violations(in: ours) == [])
                let (their, our) = (try JSON(theirs.body), try JSON(ours.body))
                #expect(their.shape(maps: WebhookRules.maps) == our.shape(maps: WebhookRules.maps))
                for name in [
                    "version", "status", "groupKey", "groupLabels", "commonLabels", "commonAnnotations",
                    "truncatedAlerts",
                ] {
                    #expect(their[name] == our[name], "\(name)")
                }
                let (its, alert) = (their["alerts"][0], our["alerts"][0])
                for name in ["status", "labels", "annotations", "generatorURL"] {
                    #expect(its[name] == alert[name], "\(name)")
                }
                // Go leaves out the zeros at the end of a fraction.
                for name in ["startsAt", "endsAt"] { #expect(its[name].date == alert[name].date, "\(name)") }
            }
        }
    }
}
