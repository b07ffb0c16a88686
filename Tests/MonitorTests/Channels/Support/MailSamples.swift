// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdMonitorKit

/// Notifications for the tests of mails.
enum MailSamples {
    static let time = Date(timeIntervalSince1970: 1_796_000_000)

    static func alert(
        _ name: String = "EtcdMemberDown",
        cluster: String = "prod-eu",
        member: String = "8e9e05c52164694d",
        severity: AlertSeverity = .critical,
        summary: String = "Member etcd-1 does not answer",
        description: String = "The member does not answer. Look at its process and its machine.",
        runbook: String? = "https://docs.example/Monitoring.md#member-down",
        figures: [String: Double] = ["silentSeconds": 90],
        since: TimeInterval = -180
    ) -> Alert {
        let match = AlertRule.Match(
            labels: ["code": "member-down", "member": member],
            summary: summary,
            description: description,
            runbook: runbook,
            figures: figures
        )
        return Alert(name, cluster: cluster, match, severity: severity, since: time + since)
    }

    static func notification(
        _ items: [(Alert, AlertNotification.Reason)] = [(alert(), .fired)],
        id: String = "0123456789abcdef",
        openCount: Int? = nil,
        externalURL: String? = "https://monitor.example/"
    ) -> AlertNotification {
        AlertNotification(
            id: id,
            channel: "mail",
            cluster: items.first?.0.cluster ?? "",
            items: items.map { AlertNotification.Item($0.0, $0.1) },
            openCount: openCount ?? items.count { $0.1 != .resolved && $0.1 != .test },
            time: time,
            externalURL: externalURL
        )
    }
}
