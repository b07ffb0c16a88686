// SPDX-License-Identifier: Apache-2.0

import Foundation

extension AlertEngine {
    /// A channel that has something to deliver, and whose newest attempts have all failed.
    struct ChannelFailure: Sendable, Hashable {
        var channel: String
        var attempts: Int
        var reason: String
    }

    /// The label `cluster` of alerts about the monitor itself.
    static let ownCluster = "etcd-monitor"

    /// The rule about channels that have failed for a while.
    ///
    /// The center provides its matches.
    static let channelRule = AlertRule(
        "EtcdMonitorChannelFailed",
        severity: .warning,
        holdsFor: .seconds(300)
    ) { _ in nil }

    /// The matches of ``channelRule``.
    static func sighting(of failures: [ChannelFailure]) -> Sighting {
        let matches = failures.map { failure in
            AlertRule.Match(
                labels: ["channel": failure.channel],
                summary: "The channel \(failure.channel) fails: \(failure.reason)",
                description: "People who rely on this channel receive no alerts. The monitor keeps trying.",
                runbook: "Docs/Monitoring.md#monitor-channel-failed",
                figures: ["attempts": Double(failure.attempts)]
            )
        }
        return Sighting(rule: channelRule.name, cluster: ownCluster, poll: .max, matches: matches)
    }

    /// Whether an alert reports the failure of this channel.
    func isAboutItself(_ alert: Alert, _ channel: String) -> Bool {
        alert.name == Self.channelRule.name && alert.labels["channel"] == channel
    }
}

extension AlertRule {
    /// The rule that the center adds to all others: a channel has failed for a while.
    package static var channelFailed: AlertRule { AlertEngine.channelRule }
}
