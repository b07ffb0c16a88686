// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("Alerts in the log of etcd-monitor", .unit)
struct AlertLogTests {
    private static let hook = WebhookChannel(url: Secret("https://h"))
    private static let managers = AlertmanagerChannel(urls: [Secret("https://a")])
    private static let log = AlertLog(channels: ["hook": hook, "managers": managers, "console": ConsoleChannel()])

    private func notification(
        _ reasons: AlertNotification.Reason...,
        overFor seconds: TimeInterval = 0
    ) -> AlertNotification {
        let now = Date()
        let items = reasons.enumerated().map { number, reason in
            let match = AlertRule.Match(summary: "")
            var alert = Alert("Etcd\(number)", cluster: "prod", match, severity: .warning, since: now)
            if reason == .resolved { alert.resolvedAt = now - seconds }
            return AlertNotification.Item(alert, reason)
        }
        return AlertNotification(id: "", channel: "", cluster: "prod", items: items, openCount: 1, time: now)
    }

    @Test("each delivery and each failure is a line, with the alerts")
    func lines() {
        let news = notification(.fired, .resolved)
        #expect(
            Self.log.line(for: .delivered(channel: "hook", news, answer: "200"))
                == "sent      hook: prod: Etcd0 fired, Etcd1 resolved (200)"
        )
        #expect(
            Self.log.line(for: .failed(channel: "managers", news, reason: "500"))
                == "not sent  managers: prod: Etcd0 fired, Etcd1 resolved (500)"
        )
        let many = notification(.fired, .fired, .fired, .fired, .fired, .fired, .repeated)
        #expect(
            Self.log.line(for: .delivered(channel: "hook", many, answer: "200"))
                == "sent      hook: prod: Etcd0 fired, Etcd1 fired, Etcd2 fired, Etcd3 fired, Etcd4 fired and 2 more (200)"
        )
    }

    @Test("changes of silences and a state that is not saved are lines")
    func others() {
        let record = AuditRecord(actor: "alice", action: "silence.add", subject: "1", detail: "Until noon.")
        #expect(Self.log.line(for: .audited(record)) == "changed   silence.add 1 by alice: Until noon.")
        #expect(
            Self.log.line(for: .stateNotSaved(reason: "The disk is full."))
                == "failed    the state of the alerts is not saved: The disk is full."
        )
    }

    @Test("repeated messages to other systems, and alerts that are printed or logged otherwise, are not lines")
    func silence() {
        func line(_ channel: String, _ news: AlertNotification) -> String? {
            Self.log.line(for: .delivered(channel: channel, news, answer: ""))
        }
        #expect(line("managers", notification(.repeated)) == nil)
        #expect(line("managers", notification(.resolved, overFor: 120)) == nil)
        #expect(line("managers", notification(.resolved, overFor: 5)) != nil, "control")
        #expect(line("managers", notification(.repeated, .fired)) != nil, "control")
        #expect(line("hook", notification(.repeated)) != nil, "control")
        #expect(line("console", notification(.fired)) == nil)
        let alert = notification(.fired).items[0].alert
        #expect(Self.log.line(for: .changed(alert)) == nil)
    }
}
