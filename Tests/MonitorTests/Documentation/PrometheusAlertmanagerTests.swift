// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Docs/monitoring/alertmanager.yml, as amtool and a real Alertmanager read it.
@Suite("The example for Alertmanager", .cluster, .timeLimit(.minutes(1)))
struct PrometheusAlertmanagerTests {
    private static let amtool = PrometheusFiles.program("amtool")
    private static let alertmanager = PrometheusFiles.program("prometheus-alertmanager", "alertmanager")
    private static let file = PrometheusFiles.path("alertmanager.yml")

    @Test("passes amtool's check", .enabled(if: amtool != nil, "amtool is not here"))
    func check() throws {
        let (status, output) = try PrometheusFiles.run(Self.amtool, ["check-config", Self.file])
        #expect(status == 0 && output.contains("SUCCESS"), "\(output)")
    }

    @Test(
        "sends alerts by their severity, and the watchdog to the dead man's switch",
        .enabled(if: amtool != nil, "amtool is not here"),
        arguments: [
            (["alertname=EtcdQuorumLost", "severity=critical"], "pager,chat"),
            (["alertname=EtcdMemberDown", "severity=warning"], "chat"),
            (["alertname=EtcdFragmentation", "severity=info"], "mail"),
            (["alertname=EtcdWatchdog", "severity=info"], "dead-mans-switch"),
            (["alertname=EtcdMonitorWatchdog", "severity=info"], "dead-mans-switch"),
            (["alertname=NodeDown", "severity=critical"], "mail"),
        ]
    )
    func routes(labels: [String], receivers: String) throws {
        let arguments = ["config", "routes", "test", "--config.file=\(Self.file)"] + labels
        let (status, output) = try PrometheusFiles.run(Self.amtool, arguments)
        #expect(status == 0)
        // Before it may come a warning.
        #expect(output.split(separator: "\n").last.map(String.init) == receivers)
    }

    /// Alerts, as their labels, and whether others of them mute them.
    private static let alerts: [(isMuted: Bool, labels: String)] = [
        // Of etcd's rules: a lost quorum in one cluster, a member that is down in another.
        (false, "alertname=EtcdQuorumLost severity=critical code=quorum-lost job=etcd etcd_cluster=a"),
        (true, "alertname=EtcdMemberDown severity=warning code=member-down job=etcd etcd_cluster=a instance=i1"),
        (true, "alertname=EtcdSlowFsync severity=warning code=slow-fsync job=etcd etcd_cluster=a instance=i2"),
        (false, "alertname=EtcdCertificateExpiry severity=warning code=certificate-expiry job=etcd etcd_cluster=a"),
        (false, "alertname=EtcdMemberDown severity=warning code=member-down job=etcd etcd_cluster=b instance=i1"),
        (true, "alertname=EtcdSlowFsync severity=critical code=slow-fsync job=etcd etcd_cluster=b instance=i1"),
        (false, "alertname=EtcdSlowFsync severity=critical code=slow-fsync job=etcd etcd_cluster=b instance=i2"),
        (true, "alertname=EtcdSlowFsync severity=warning code=slow-fsync job=etcd etcd_cluster=b instance=i2"),
        (
            false,
            "alertname=EtcdDatabaseNearQuota severity=info code=database-near-quota job=etcd etcd_cluster=b instance=i2"
        ),
        (false, "alertname=EtcdDefragmenting severity=info code=defragmenting job=etcd etcd_cluster=b instance=i3"),
        (true, "alertname=EtcdSlowCommit severity=warning code=slow-commit job=etcd etcd_cluster=b instance=i3"),
        (true, "alertname=EtcdRequestsSlow severity=warning job=etcd etcd_cluster=b instance=i3 grpc_method=Put"),
        (false, "alertname=EtcdRequestsSlow severity=warning job=etcd etcd_cluster=b instance=i2 grpc_method=Put"),
        // Of the monitor's rules, all of one instance.
        (false, "alertname=EtcdFinding severity=critical code=quorum-lost etcd_cluster=c instance=m"),
        (true, "alertname=EtcdFinding severity=warning code=member-down subject=aa etcd_cluster=c instance=m"),
        (false, "alertname=EtcdFinding severity=warning code=version-skew etcd_cluster=c instance=m"),
        (false, "alertname=EtcdFinding severity=warning code=member-down subject=aa etcd_cluster=d instance=m"),
        (true, "alertname=EtcdFinding severity=warning code=slow-fsync subject=aa etcd_cluster=d instance=m"),
        (false, "alertname=EtcdFinding severity=info code=fragmentation subject=bb etcd_cluster=d instance=m"),
        // A rule of etcd's that means the same as a finding.
        (true, "alertname=EtcdVersionSkew severity=warning code=version-skew job=etcd etcd_cluster=c"),
        // Of the monitor itself.
        (false, "alertname=EtcdMemberDown severity=warning code=member-down cluster=e member=aa"),
        (true, "alertname=EtcdSlowFsync severity=warning code=slow-fsync cluster=e member=aa"),
        (false, "alertname=EtcdSlowFsync severity=warning code=slow-fsync cluster=e member=bb"),
        (false, "alertname=EtcdMonitorWatchdog severity=info cluster=e"),
    ]

    @Test(
        "mutes the consequences of a cause, and nothing else",
        .enabled(if: amtool != nil && alertmanager != nil, "there is no Alertmanager")
    )
    func inhibitions() async throws {
        // Nothing is sent: the shortest group waits for ten seconds, and the watchdog's receiver is on this machine.
        let text = try PrometheusFiles.text("alertmanager.yml")
            .replacing("https://watchdog.example/etcd", with: "http://127.0.0.1:9/")
            .replacing("/etc/alertmanager/secrets/", with: "")
        let server = try PrometheusServer(
            Self.alertmanager,
            [
                "alertmanager.yml": text, "slack-url": "http://127.0.0.1:9/", "pagerduty-routing-key": "key",
                "smtp-password": "password",
            ]
        ) { folder, port in
            [
                "--config.file=\(folder)/alertmanager.yml", "--storage.path=\(folder)/data",
                "--web.listen-address=127.0.0.1:\(port)", "--cluster.listen-address=",
            ]
        }
        defer { server.stop() }
        try await server.wait("it is ready") { try await !server.get("/-/ready").isEmpty }
        for (index, alert) in Self.alerts.enumerated() {
            let arguments = ["alert", "add", "--alertmanager.url=\(server.address)", "index=\(index)"]
            let labels = alert.labels.split(separator: " ").map(String.init)
            let (status, output) = try PrometheusFiles.run(Self.amtool, arguments + labels)
            #expect(status == 0, "\(output)")
        }
        try await server.wait("all alerts are there") { try await Self.muted(server).count == Self.alerts.count }
        let muted = try await Self.muted(server)
        for (index, alert) in Self.alerts.enumerated() {
            #expect(muted["\(index)"] == alert.isMuted, "\(alert.labels)")
        }
    }

    /// Whether each alert is muted by others, by its index.
    private static func muted(_ server: PrometheusServer) async throws -> [String: Bool] {
        struct Alert: Decodable {
            struct Status: Decodable {
                let inhibitedBy: [String]
            }

            let labels: [String: String]
            let status: Status
        }
        let alerts = try JSONDecoder().decode([Alert].self, from: try await server.get("/api/v2/alerts"))
        return Dictionary(
            uniqueKeysWithValues: alerts.map { ($0.labels["index"] ?? "", !$0.status.inhibitedBy.isEmpty) }
        )
    }
}
