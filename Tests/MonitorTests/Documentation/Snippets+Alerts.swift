// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit
import Foundation

/// The code of Docs/Alerts.md.
extension Snippets {
    static func alerting(_ client: EtcdClient) async throws {
        let monitor = try ClusterMonitor(client)
        var options = AlertCenter.Options()
        options.stateFile = "/var/lib/my-service/alerts.json"
        options.routes = [
            AlertRoute(to: [.init(["chat"]), .init(["pager"], after: .seconds(900))], severity: .critical),
            AlertRoute(to: "chat"),
        ]
        let center = try AlertCenter(
            [monitor],
            channels: [
                "chat": SlackChannel(url: .file("/run/secrets/slack-url")),
                "pager": PagerDutyChannel(routingKey: .file("/run/secrets/pagerduty-key")),
            ],
            options
        )
        async let polling: Void = monitor.run()
        async let alerting: Void = center.run()
        _ = try await (polling, alerting)
    }

    static func rules(_ options: inout AlertCenter.Options) {
        options.rules = AlertRule.findings.filter { $0.name != "EtcdClockSpread" }
        options.rules.append(
            .threshold("EtcdManyKeys", .keys, .above(1_000_000), severity: .warning, holdsFor: .seconds(300))
        )
        options.rules.append(
            AlertRule("EtcdOldVersion", severity: .info) { snapshot in
                snapshot.members.filter { $0.version?.hasPrefix("3.4.") == true }.map { member in
                    .init(labels: ["member": member.id], summary: "\(member.name) runs \(member.version ?? "")")
                }
            }
        )
    }

    static func quiet(_ options: inout AlertCenter.Options, _ center: AlertCenter) async throws {
        options.maintenanceWindows = [
            MaintenanceWindow("backup", on: [.saturday], hour: 22, lasting: .seconds(4 * 3600), in: .gmt)
        ]
        let silence = Silence(
            [AlertMatcher("cluster", "staging-*")],
            endsAt: Date() + 3600,
            createdBy: "alice",
            comment: "load test"
        )
        try await center.add(silence, by: "alice")
    }

    static func message() -> SlackChannel {
        let chat = SlackChannel(url: .file("/run/secrets/slack-url")) { notification in
            var message = SlackChannel.message(for: notification)
            message.text = "<!here> " + message.text
            return message
        }
        return chat
    }
}
