// SPDX-License-Identifier: Apache-2.0

/// A figure that the monitor records for each member, and for the whole cluster where the members' figures can be
/// combined.
///
/// Rates are per second over the last minute, and percentiles over the last five minutes. The raw value is the name in
/// the API, in the history and, with a prefix, in the exporter; it ends with the unit.
public enum Figure: String, Sendable, Hashable, Codable, CodingKeyRepresentable, CaseIterable {
    /// The size of the database on disk.
    case databaseBytes = "database_bytes"
    /// The part of the database that is in use.
    case databaseInUseBytes = "database_in_use_bytes"
    /// The size at which the database accepts no more writes.
    case databaseQuotaBytes = "database_quota_bytes"
    /// The share of its quota that the database uses, from 0 to 1.
    case quotaUsedRatio = "quota_used_ratio"
    /// The number of keys in the store.
    case keys = "keys"
    /// The 99th percentile of the log writes to disk.
    case fsyncP99Seconds = "fsync_p99_seconds"
    /// The 99th percentile of the database commits.
    case commitP99Seconds = "commit_p99_seconds"
    /// The 99th percentile of the round trips to peers, including the time to connect.
    case peerRoundTripP99Seconds = "peer_round_trip_p99_seconds"
    /// The committed entries of the Raft log.
    case proposalsCommittedPerSecond = "proposals_committed_per_second"
    /// The applied entries of the Raft log.
    case proposalsAppliedPerSecond = "proposals_applied_per_second"
    /// The failed proposals.
    case proposalsFailedPerSecond = "proposals_failed_per_second"
    /// The pending proposals.
    case proposalsPending = "proposals_pending"
    /// The puts.
    case putsPerSecond = "puts_per_second"
    /// The range reads.
    case rangesPerSecond = "ranges_per_second"
    /// The deletions.
    case deletesPerSecond = "deletes_per_second"
    /// The transactions.
    case transactionsPerSecond = "transactions_per_second"
    /// The unary gRPC calls.
    case requestsPerSecond = "requests_per_second"
    /// The share of unary gRPC calls that failed because of the server, from 0 to 1.
    case requestErrorRatio = "request_error_ratio"
    /// The 99th percentile of unary gRPC calls; needs etcd's `--metrics extensive`.
    case requestP99Seconds = "request_p99_seconds"
    /// The processor time used per second: 2 for two busy cores.
    case cpuCores = "cpu_cores"
    /// The resident memory of the process.
    case memoryBytes = "memory_bytes"
    /// The open file descriptors.
    case openFiles = "open_files"
    /// The limit of open file descriptors.
    case maximumOpenFiles = "maximum_open_files"
    /// The bytes received from clients.
    case clientReceivedBytesPerSecond = "client_received_bytes_per_second"
    /// The bytes sent to clients.
    case clientSentBytesPerSecond = "client_sent_bytes_per_second"
    /// The bytes received from other members.
    case peerReceivedBytesPerSecond = "peer_received_bytes_per_second"
    /// The bytes sent to other members.
    case peerSentBytesPerSecond = "peer_sent_bytes_per_second"
    /// The number of watches.
    case watchers = "watchers"
    /// The number of watches that lag behind.
    case slowWatchers = "slow_watchers"
    /// The open streams of watches and keepalives, etcd's best estimate of the number of its clients.
    case openStreams = "open_streams"
    /// The leader changes since the process started.
    case leaderChanges = "leader_changes"
    /// The time since the process started.
    case processAgeSeconds = "process_age_seconds"
    /// The latency of a serializable read in this poll.
    case serializableReadSeconds = "serializable_read_seconds"
    /// The latency of a linearizable read in this poll.
    case linearizableReadSeconds = "linearizable_read_seconds"
}
