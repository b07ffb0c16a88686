// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Exporter {
    /// Adds the alerts of some clusters, the channels and the silences.
    static func addAlerts(_ source: any AlertSource, of clusters: Set<String>, to page: inout ExporterPage) {
        let alerts = source.alerts.filter { clusters.contains($0.cluster) || $0.cluster == AlertEngine.ownCluster }
        let counts = Dictionary(
            alerts.map { ([$0.cluster, $0.name, $0.severity.rawValue, $0.state.rawValue], 1) },
            uniquingKeysWith: +
        )
        for (key, count) in counts.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            let labels = Dictionary(zip(["etcd_cluster", "alertname", "severity", "state"], key)) { $1 }
            page.add("alerts", "The alerts that are pending or firing.", labels, Double(count))
        }
        for channel in source.channelReports { addChannel(channel, to: &page) }
        let now = Date()
        let silences = source.silences.map { $0.state(at: now) }
        for state in Silence.State.allCases {
            let count = silences.count { $0 == state }
            page.add("silences", "The silences by state.", ["state": state.rawValue], Double(count))
        }
    }

    private static func addChannel(_ report: ChannelReport, to page: inout ExporterPage) {
        let labels = ["channel": report.name, "kind": report.kind]
        let (delivered, failed) = (Double(report.delivered), Double(report.failed))
        page.add("channel_delivered", .counter, "The notifications that were delivered.", labels, delivered)
        page.add("channel_failed", .counter, "The attempts to deliver a notification that failed.", labels, failed)
        let failures = Double(report.failuresInARow)
        page.add("channel_failures_in_a_row", "The attempts that failed since the last success.", labels, failures)
        let (open, waiting) = (Double(report.openAlerts), Double(report.waitingAlerts))
        page.add("channel_open_alerts", "The alerts that are open in the channel.", labels, open)
        page.add("channel_waiting_alerts", "The alerts with changes that are still to be delivered.", labels, waiting)
        let success = report.lastSuccess?.timeIntervalSince1970
        page.add("channel_last_success_timestamp_seconds", "The time of the last delivery.", labels, success)
    }
}
