// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit

/// The code of Docs/History.md, which is compared with the page line by line.
enum HistorySnippets {
    static func options(_ client: EtcdClient) throws -> ClusterMonitor {
        var options = ClusterMonitor.Options()
        options.name = "prod-eu"
        options.historyFile = "/var/lib/my-service/etcd-history.jsonl"
        options.historySinks = [PostgresHistorySink(.file("/run/secrets/history-database"))]
        let monitor = try ClusterMonitor(client, options)
        return monitor
    }
}

struct PrintingSink: HistorySink {
    let name = "print"
    let flushInterval = Duration.zero

    func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError) {
        for snapshot in snapshots { print(snapshot.time, snapshot.verdict, snapshot.metrics[.keys] ?? 0) }
    }
}
