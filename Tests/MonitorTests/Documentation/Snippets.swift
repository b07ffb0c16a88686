// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit
import Foundation

/// The code of Docs/Monitoring.md and README, which is compared with the pages line by line.
enum Snippets {
    static func embedding(_ endpoints: String) async throws {
        let client = try EtcdClient(endpoints: endpoints)
        let monitor = try ClusterMonitor(client)
        let api = MonitorAPI([monitor])
        let server = HTTPServer { request in await api.respond(to: request) }
        async let polling: Void = monitor.run()
        async let serving: Void = server.run { port in print("http://127.0.0.1:\(port)/") }
        _ = try await (polling, serving)
    }

    static func snapshots(_ monitor: ClusterMonitor) async {
        for await snapshot in monitor.snapshots {
            print(snapshot.verdict, snapshot.leader?.name ?? "no leader", snapshot.quorum.faultTolerance)
            for finding in snapshot.findings where finding.verdict >= .degraded {
                print(finding.id, finding.summary, finding.evidence, finding.advice)
            }
        }
    }

    static func options(_ client: EtcdClient) throws -> ClusterMonitor {
        var options = ClusterMonitor.Options()
        options.name = "prod-eu"
        options.interval = .seconds(2)
        options.thresholds.maximumDatabaseBytes = 4e9
        options.metricsEndpoints["etcd-0"] = try Endpoint("10.0.0.1:2381")
        options.historyFile = "/var/lib/my-service/etcd-history.jsonl"
        let monitor = try ClusterMonitor(client, options)
        return monitor
    }

    static func history(_ monitor: ClusterMonitor) {
        let (from, to) = (Date() - 3600, Date())
        for point in monitor.history(of: "cluster/puts_per_second", from: from, to: to, step: .seconds(60)) {
            print(point.time, point.mean, point.minimum, point.maximum)
        }
    }

    static func readiness(_ monitor: ClusterMonitor) {
        for check in ReadinessReport(monitor.snapshot).checks where check.outcome != .pass {
            print(check.outcome, check.title, check.evidence, check.advice ?? "")
        }
    }

    static func access(
        _ europe: ClusterMonitor,
        _ america: ClusterMonitor,
        readSecret: String,
        adminSecret: String
    ) -> MonitorAPI {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken(readSecret), APIToken(adminSecret, role: .admin)]
        options.corsOrigins = ["https://ops.example"]
        options.onRequest = { record in print(record.method, record.path, record.status, record.seconds) }
        let api = MonitorAPI([europe, america], options)
        return api
    }
}
