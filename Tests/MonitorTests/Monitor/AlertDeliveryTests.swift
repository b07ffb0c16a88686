// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A real cluster fails and is repaired, and real receivers, which check their own rules, get the alerts.
@Suite("AlertCenter: a real cluster", .cluster, .timeLimit(.minutes(4)))
struct AlertDeliveryTests {
    private static let repeatSeconds = 6.0

    @Test func `Each receiver gets an alert once, again on time, and its end once`() async throws {
        try await WatchedCluster.run { watched in
            try await Receivers.run { receivers in
                let center = try AlertCenter([watched.monitor], channels: receivers.channels, Self.options())
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await center.run() }
                    try await failAndRepair(watched, center, receivers)
                    group.cancelAll()
                }
                try await check(receivers)
            }
        }
    }

    private static func options() -> AlertCenter.Options {
        var options = AlertCenter.Options()
        options.groupWait = .seconds(1)
        options.groupInterval = .milliseconds(100)
        options.repeatInterval = .seconds(repeatSeconds)
        options.retry = .milliseconds(200)...(.seconds(1))
        options.runbookBase = "https://docs.example/Monitoring.md"
        return options
    }

    private func failAndRepair(
        _ watched: WatchedCluster,
        _ center: AlertCenter,
        _ receivers: Receivers
    ) async throws {
        #expect(receivers.lines.isEmpty, "The control: nothing is sent before the fault.")
        let member = try watched.followers()[0]
        let id = try watched.seen(member).id
        await member.kill()
        #expect(await eventually { receivers.lines.contains { $0.reason == "repeated" } })
        #expect(center.membersDown == [id])
        #expect(center.channelReports.allSatisfy { $0.name == "broken" || $0.openAlerts == 1 })
        if let alertmanager = receivers.alertmanager {
            let alerts = try await alertmanager.alerts()
            #expect(alerts.map(\.["labels"]["alertname"].text) == ["EtcdMemberDown"])
            #expect(alerts.map(\.["status"]["state"].text) == ["active"])
        }
        #expect(await eventually { receivers.hook.requests.count > 1 })
        #expect(center.channelReports.contains { $0.name == "broken" && $0.failuresInARow > 1 })

        try await member.restart()
        let isOver = await eventually {
            center.membersDown.isEmpty && center.isToldAll(but: "broken")
        }
        #expect(isOver)
        if let alertmanager = receivers.alertmanager {
            let isEmpty = await eventually { (try? await alertmanager.alerts().isEmpty) == true }
            #expect(isEmpty)
        }
        // Longer than an interval of repetition: no alert that is over is sent again.
        try await Task.sleep(for: .seconds(Self.repeatSeconds + 2))
    }

    private func check(_ receivers: Receivers) async throws {
        let reasons = receivers.lines.map(\.reason)
        #expect(reasons.first == "fired" && reasons.last == "resolved")
        #expect(reasons.dropFirst().dropLast().allSatisfy { $0 == "repeated" } && reasons.count >= 3)
        #expect(Set(receivers.lines.map(\.name)) == ["EtcdMemberDown"])
        let told = receivers.lines.dropLast().map(\.time)
        for (earlier, later) in zip(told, told.dropFirst()) {
            let distance = later.timeIntervalSince(earlier)
            #expect(distance >= Self.repeatSeconds - 0.1 && distance < Self.repeatSeconds + 4)
        }

        let messages = try receivers.slack.bodies.compactMap(\.["text"].text)
        #expect(messages.count == reasons.count)
        #expect(messages.dropLast().allSatisfy { $0.hasPrefix("1 firing") })
        #expect(messages.last?.hasPrefix("1 resolved") == true)
        for request in receivers.slack.requests { #expect(SlackRules.violations(in: request) == []) }

        #expect(receivers.pagerDuty.complaints == [])
        let incidents = receivers.pagerDuty.incidents.values
        #expect(receivers.pagerDuty.opened.count == 1 && incidents.allSatisfy { !$0.isOpen })
        #expect(incidents.map(\.triggers) == [reasons.count - 1])

        for request in receivers.hook.requests { #expect(WebhookRules.violations(in: request) == []) }
        let states = try receivers.hook.bodies.map { $0["alerts"][0]["status"].text }
        #expect(states == Array(repeating: "firing", count: reasons.count - 1) + ["resolved"])
        let keys = receivers.hook.requests.map { $0.headers["Idempotency-Key"] }
        #expect(Set(keys).count == keys.count)
        let runbooks = try receivers.hook.bodies.map { $0["alerts"][0]["annotations"]["runbook_url"].text }
        #expect(Set(runbooks) == ["https://docs.example/Monitoring.md#member-down"])

        // The channel was down all the time, and there is no message left for it.
        #expect(receivers.broken.requests.count > 5)
        let attempts = try receivers.broken.bodies.map { $0["status"].text }
        #expect(Set(attempts) == ["firing"])

        guard let mail = receivers.mail else { return }
        let mails = try mail.messages.map(\.mail)
        #expect(mails.count == reasons.count)
        #expect(mails.flatMap(\.defects) == [])
        #expect(Set(mails.map { $0.fields["message-id"] }).count == mails.count)
        #expect(Set(mails.flatMap(\.references)).count == 1, "\(mails.map(\.references))")
        #expect(mails.first?.subject.contains("CRITICAL") == true || mails.first?.subject.contains("WARNING") == true)
        #expect(mails.last?.subject.contains("RESOLVED") == true)
        #expect(mails.count { $0.subject.contains("RESOLVED") } == 1)
    }
}

extension AlertCenter {
    /// The members about which an alert fires.
    fileprivate var membersDown: [String] {
        alerts.filter { $0.name == "EtcdMemberDown" && $0.state == .firing }.compactMap { $0.labels["member"] }
    }

    /// No channel except one has a message left.
    fileprivate func isToldAll(but broken: String) -> Bool {
        channelReports.allSatisfy { $0.name == broken || $0.openAlerts == 0 && $0.waitingAlerts == 0 }
    }
}

/// A receiver of each kind, as far as their programs are installed.
private struct Receivers {
    /// A line of the console.
    struct Line: Decodable {
        struct Labels: Decodable { var alertname: String }
        var time: Date
        var reason: String
        var labels: Labels
        var name: String { labels.alertname }
    }

    let slack: RecordingReceiver
    let pagerDuty: PagerDutyService
    let hook: RecordingReceiver
    /// Answers everything with an error.
    let broken: RecordingReceiver
    let alertmanager: AlertmanagerProcess?
    let mail: MailServer?
    let channels: [String: any AlertChannel]
    private let console: Lock<[String]>

    var lines: [Line] {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let text = try decoder.singleValueContainer().decode(String.self)
            return try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        }
        return console.withLock { $0 }.compactMap { try? decoder.decode(Line.self, from: Data($0.utf8)) }
    }

    static func run(_ body: (Receivers) async throws -> Void) async throws {
        let pagerDuty = PagerDutyService(routingKey: String(repeating: "k", count: 32))
        try await RecordingReceiver.run(answering: SlackRules.answer) { slack in
            try await RecordingReceiver.run(answering: pagerDuty.answer) { events in
                try await RecordingReceiver.run { hook in
                    try await RecordingReceiver.run(answering: { _ in HTTPResponse(500, "down") }) { broken in
                        try await run(slack, pagerDuty, events, hook, broken, body)
                    }
                }
            }
        }
    }

    private static func run(
        _ slack: RecordingReceiver,
        _ pagerDuty: PagerDutyService,
        _ events: RecordingReceiver,
        _ hook: RecordingReceiver,
        _ broken: RecordingReceiver,
        _ body: (Receivers) async throws -> Void
    ) async throws {
        let console = Lock<[String]>([])
        var channels: [String: any AlertChannel] = [
            "console": ConsoleChannel(.json) { line in console.withLock { $0.append(line) } },
            "slack": SlackChannel(url: slack.url("/services/T0/B0/secret")),
            "pager": PagerDutyChannel(
                routingKey: Secret(String(repeating: "k", count: 32)),
                endpoint: events.origin
            ),
            "hook": WebhookChannel(url: hook.url("/hook"), signingSecret: Secret("signature")),
            "broken": WebhookChannel(url: broken.url("/hook")),
        ]
        let mail = MailServer.isInstalled ? try await MailServer() : nil
        if let mail { channels["mail"] = SMTPChannel(mail.options()) }
        let alertmanager = AlertmanagerProcess.program == nil ? nil : try AlertmanagerProcess()
        defer { alertmanager?.stop() }
        if let alertmanager {
            try await alertmanager.ready()
            channels["alertmanager"] = AlertmanagerChannel(urls: [alertmanager.url])
        }
        let receivers = Receivers(
            slack: slack,
            pagerDuty: pagerDuty,
            hook: hook,
            broken: broken,
            alertmanager: alertmanager,
            mail: mail,
            channels: channels,
            console: console
        )
        try await body(receivers)
    }
}
