// SPDX-License-Identifier: Apache-2.0

/// The metrics of etcd that the monitor uses; it drops the rest of a page.
///
/// No version has all of them.
enum MetricsCatalogue {
    /// Metrics whose newest value is used.
    static let gauges: Set<String> = [
        "etcd_server_has_leader",
        "etcd_server_is_leader",
        "etcd_server_is_learner",
        "etcd_server_id",
        "etcd_server_version",
        "etcd_cluster_version",
        "etcd_server_proposals_pending",
        "etcd_server_quota_backend_bytes",
        "etcd_server_snapshot_apply_in_progress_total",
        "etcd_disk_defrag_inflight",
        "etcd_mvcc_db_total_size_in_bytes",
        "etcd_mvcc_db_total_size_in_use_in_bytes",
        "etcd_network_active_peers",
        "etcd_debugging_mvcc_db_total_size_in_bytes",
        "etcd_debugging_mvcc_keys_total",
        "etcd_debugging_mvcc_current_revision",
        "etcd_debugging_mvcc_compact_revision",
        "etcd_debugging_mvcc_pending_events_total",
        "etcd_debugging_mvcc_watch_stream_total",
        "etcd_debugging_mvcc_watcher_total",
        "etcd_debugging_mvcc_slow_watcher_total",
        "etcd_debugging_server_alarms",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ]

    /// Metrics whose growth is used.
    static let counters: Set<String> = positions.union([
        "etcd_server_leader_changes_seen_total",
        "etcd_server_heartbeat_send_failures_total",
        "etcd_server_proposals_failed_total",
        "etcd_server_slow_apply_total",
        "etcd_server_read_indexes_failed_total",
        "etcd_server_slow_read_indexes_total",
        "etcd_mvcc_put_total",
        "etcd_mvcc_range_total",
        "etcd_mvcc_delete_total",
        "etcd_mvcc_txn_total",
        "etcd_debugging_mvcc_put_total",
        "etcd_debugging_mvcc_range_total",
        "etcd_debugging_mvcc_delete_total",
        "etcd_debugging_mvcc_txn_total",
        "etcd_network_disconnected_peers_total",
        "etcd_network_peer_received_bytes_total",
        "etcd_network_peer_sent_bytes_total",
        "etcd_network_client_grpc_received_bytes_total",
        "etcd_network_client_grpc_sent_bytes_total",
        "grpc_server_started_total",
        "grpc_server_handled_total",
        "process_cpu_seconds_total",
    ])

    /// Metrics of a member's position: etcd exports them as gauges, and they do not restart at 0.
    static let positions: Set<String> = [
        "etcd_server_proposals_committed_total",
        "etcd_server_proposals_applied_total",
    ]

    /// Histograms, whose observations within a window are used.
    static let histograms: Set<String> = [
        "etcd_disk_wal_fsync_duration_seconds",
        "etcd_disk_backend_commit_duration_seconds",
        "etcd_network_peer_round_trip_time_seconds",
        "grpc_server_handling_seconds",
    ]

    /// Whether the monitor uses a family of metrics.
    ///
    /// - Parameter family: The name of the family.
    /// - Returns: Whether it does.
    static func keeps(_ family: Substring) -> Bool {
        let name = String(family)
        return gauges.contains(name) || counters.contains(name) || histograms.contains(name)
    }
}
