// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

extension Alert {
    /// An alert about a member, which fires.
    static func sample(
        _ name: String = "EtcdMemberDown",
        cluster: String = "prod",
        member: String = "8e9e05c52164694d",
        labels: [String: String] = [:],
        severity: AlertSeverity = .critical,
        summary: String = "etcd-1 is down",
        description: String = "It does not answer. Look at its process.",
        runbook: String? = "https://docs.example/Monitoring.md#member-down",
        figures: [String: Double] = ["silent_seconds": 12.5],
        since: Date = Date() - 60
    ) -> Alert {
        let match = AlertRule.Match(
            labels: labels.merging(["member": member, "code": "member-down"]) { own, _ in own },
            summary: summary,
            description: description,
            runbook: runbook,
            figures: figures
        )
        var alert = Alert(name, cluster: cluster, match, severity: severity, since: since)
        alert.state = .firing
        alert.firingSince = since + 1
        return alert
    }

    /// The alert, over since a time.
    func over(at time: Date = Date()) -> Alert {
        var alert = self
        alert.state = .resolved
        alert.resolvedAt = time
        return alert
    }
}

extension AlertNotification {
    /// A message about the cluster `prod` for the channel `ops`.
    static func sample(
        _ items: [Item],
        id: String = "5f3759df",
        openCount: Int? = nil,
        time: Date = Date(),
        externalURL: String? = "https://monitor.example/"
    ) -> AlertNotification {
        AlertNotification(
            id: id,
            channel: "ops",
            cluster: items.first?.alert.cluster ?? "",
            items: items,
            openCount: openCount ?? items.count { $0.reason != .resolved },
            time: time,
            externalURL: externalURL
        )
    }

    /// A message about one alert.
    static func sample(_ alert: Alert, _ reason: Reason = .fired) -> AlertNotification {
        sample([Item(alert, reason)])
    }

    /// A message as long and as hostile as possible.
    static let hostile: AlertNotification = {
        let text = String(repeating: "<!channel> & \u{1b}[31m|*_`~\r\n\u{202e}\"\\ ü🧨", count: 20)
        let items = (0..<300).map { number in
            let alert = Alert.sample(
                "Odd \(number) \(text)",
                cluster: text,
                member: "\(number)\(text)",
                labels: ["a b\n": text],
                severity: AlertSeverity.allCases[number % 3],
                summary: text,
                description: text + text,
                runbook: number % 2 == 0 ? "https://docs.example/?a=1&b=\(number)" : "Docs/\(text)",
                figures: ["nan": .nan, "huge": .greatestFiniteMagnitude, "infinite": .infinity]
            )
            return Item(number < 200 ? alert : alert.over(), number < 200 ? .fired : .resolved)
        }
        return sample(items, openCount: 5000, externalURL: "https://monitor.example/?a=1&b=2")
    }()
}

/// The error of a channel that cannot deliver; nil if it can.
func failure(_ channel: any AlertChannel, _ notification: AlertNotification) async -> AlertChannelError? {
    do throws(AlertChannelError) {
        _ = try await channel.send(notification)
        return nil
    } catch {
        return error
    }
}
