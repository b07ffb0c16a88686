// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Computes the figures of a member from its metrics.
enum FigureReader {
    static let rateWindow = Duration.seconds(60)
    static let quantileWindow = Duration.seconds(300)

    /// The gRPC codes of calls that failed because of the server.
    static let serverErrors: Set<String> = [
        "Unknown", "FailedPrecondition", "ResourceExhausted", "Internal", "Unavailable", "DataLoss", "DeadlineExceeded",
    ]

    /// The figures of a member.
    ///
    /// Figures that it does not report are left out.
    ///
    /// The log must already contain the page. Rates of a log without a page in the last minute are left out. The
    /// latencies of reads are not included, because the member does not report them.
    static func figures(
        page: Exposition?,
        status: MemberStatus?,
        log: CounterLog,
        uptime: Duration,
        now: Date
    ) -> [Figure: Double] {
        var figures: [Figure: Double] = [:]
        if let page {
            readGauges(page, now: now, into: &figures)
            if let newest = log.newest, uptime - newest <= rateWindow {
                readRates(log, into: &figures)
                readRequests(log, into: &figures)
                readQuantiles(log, into: &figures)
            }
        }
        if let status {
            figures[.databaseBytes] = Double(status.databaseSize)
            if status.databaseSizeInUse > 0 { figures[.databaseInUseBytes] = Double(status.databaseSizeInUse) }
        }
        if let quota = quota(page: page, status: status), quota.isFinite {
            figures[.databaseQuotaBytes] = quota
            figures[.quotaUsedRatio] = figures[.databaseBytes].map { $0 / quota }
        }
        return figures.filter(\.value.isFinite)
    }

    /// The size at which the database of a member accepts no more writes, in bytes; infinite without a limit, nil if it
    /// is unknown.
    ///
    /// etcd reports it in its status since 3.6, and in its metrics before. 0 stands for etcd's default.
    static func quota(page: Exposition?, status: MemberStatus?) -> Double? {
        if let quota = status?.databaseQuota, quota != 0 { return quota > 0 ? Double(quota) : .infinity }
        return page?["etcd_server_quota_backend_bytes"].map { $0 > 0 ? $0 : $0 < 0 ? .infinity : 2_147_483_648 }
    }

    /// Whether a gRPC call is unary.
    ///
    /// Watches and keepalives end with an error whenever their client disconnects.
    static func isUnary(_ labels: [String: String]) -> Bool {
        guard let method = labels["grpc_method"] else { return false }
        return labels["grpc_type"] == "unary" && method != "Watch" && method != "LeaseKeepAlive"
    }

    /// Whether a unary call failed because of the server.
    static func isFailedUnary(_ labels: [String: String]) -> Bool {
        isUnary(labels) && serverErrors.contains(labels["grpc_code"] ?? "")
    }

    private static func readGauges(_ page: Exposition, now: Date, into figures: inout [Figure: Double]) {
        let names: [(Figure, [String])] = [
            (.databaseBytes, ["etcd_mvcc_db_total_size_in_bytes", "etcd_debugging_mvcc_db_total_size_in_bytes"]),
            (.databaseInUseBytes, ["etcd_mvcc_db_total_size_in_use_in_bytes"]),
            (.keys, ["etcd_debugging_mvcc_keys_total"]),
            (.proposalsPending, ["etcd_server_proposals_pending"]),
            (.memoryBytes, ["process_resident_memory_bytes"]),
            (.openFiles, ["process_open_fds"]),
            (.maximumOpenFiles, ["process_max_fds"]),
            (.watchers, ["etcd_debugging_mvcc_watcher_total"]),
            (.slowWatchers, ["etcd_debugging_mvcc_slow_watcher_total"]),
            (.leaderChanges, ["etcd_server_leader_changes_seen_total"]),
        ]
        for (figure, names) in names {
            figures[figure] = names.lazy.compactMap { page[$0] }.first
        }
        if let start = page["process_start_time_seconds"] {
            figures[.processAgeSeconds] = max(0, now.timeIntervalSince1970 - start)
        }
        figures[.openStreams] = openStreams(page)
    }

    private static func openStreams(_ page: Exposition) -> Double? {
        func sum(_ name: String) -> Double? {
            let streams = page.samples(of: name).filter { $0.labels["grpc_type"] == "bidi_stream" }
            return streams.isEmpty ? nil : streams.reduce(0) { $0 + $1.value }
        }
        guard let started = sum("grpc_server_started_total") else { return nil }
        return max(0, started - (sum("grpc_server_handled_total") ?? 0))
    }

    private static func readRates(_ log: CounterLog, into figures: inout [Figure: Double]) {
        let names: [(Figure, [String])] = [
            (.proposalsCommittedPerSecond, ["etcd_server_proposals_committed_total"]),
            (.proposalsAppliedPerSecond, ["etcd_server_proposals_applied_total"]),
            (.proposalsFailedPerSecond, ["etcd_server_proposals_failed_total"]),
            (.putsPerSecond, ["etcd_mvcc_put_total", "etcd_debugging_mvcc_put_total"]),
            (.rangesPerSecond, ["etcd_mvcc_range_total", "etcd_debugging_mvcc_range_total"]),
            (.deletesPerSecond, ["etcd_mvcc_delete_total", "etcd_debugging_mvcc_delete_total"]),
            (.transactionsPerSecond, ["etcd_mvcc_txn_total", "etcd_debugging_mvcc_txn_total"]),
            (.cpuCores, ["process_cpu_seconds_total"]),
            (.clientReceivedBytesPerSecond, ["etcd_network_client_grpc_received_bytes_total"]),
            (.clientSentBytesPerSecond, ["etcd_network_client_grpc_sent_bytes_total"]),
            (.peerReceivedBytesPerSecond, ["etcd_network_peer_received_bytes_total"]),
            (.peerSentBytesPerSecond, ["etcd_network_peer_sent_bytes_total"]),
        ]
        for (figure, names) in names {
            let increase = names.lazy.compactMap { log.increase(of: $0, over: rateWindow) }.first
            figures[figure] = increase.map { $0.amount / $0.seconds }
        }
    }

    private static func readRequests(_ log: CounterLog, into figures: inout [Figure: Double]) {
        let name = "grpc_server_handled_total"
        guard let all = log.increase(of: name, over: rateWindow, where: isUnary) else { return }
        figures[.requestsPerSecond] = all.amount / all.seconds
        let failed = log.increase(of: name, over: rateWindow, where: isFailedUnary)
        if let failed, all.amount > 0 { figures[.requestErrorRatio] = failed.amount / all.amount }
    }

    private static func readQuantiles(_ log: CounterLog, into figures: inout [Figure: Double]) {
        let names: [(Figure, String, [String: String])] = [
            (.fsyncP99Seconds, "etcd_disk_wal_fsync_duration_seconds", [:]),
            (.commitP99Seconds, "etcd_disk_backend_commit_duration_seconds", [:]),
            (.peerRoundTripP99Seconds, "etcd_network_peer_round_trip_time_seconds", [:]),
            (.requestP99Seconds, "grpc_server_handling_seconds", ["grpc_type": "unary"]),
        ]
        for (figure, name, labels) in names {
            figures[figure] = log.histogram(name, over: quantileWindow, where: labels)?.quantile(0.99)
        }
    }
}
