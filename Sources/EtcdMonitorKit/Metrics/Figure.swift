// SPDX-License-Identifier: Apache-2.0

/// A figure that the monitor keeps of each member, and of the whole cluster where the members' figures can be combined.
///
/// Rates are per second over the last minute, and quantiles over the last five minutes. The raw value is the name in the
/// API, in the history and, with a prefix, in the exporter; it ends with the unit.
public enum Figure: String, Sendable, Hashable, Codable, CodingKeyRepresentable, CaseIterable {
    /// The room that the database takes on its disk.
    case databaseBytes = "database_bytes"
    /// The part of the database that is in use.
    case databaseInUseBytes = "database_in_use_bytes"
    /// The size at which the database takes no more writes.
    case databaseQuotaBytes = "database_quota_bytes"
    /// The share of its quota that the database takes, from 0 to 1.
    case quotaUsedRatio = "quota_used_ratio"
    /// The keys in the store.
    case keys = "keys"
    /// The 99th percentile of the writes of the log to the disk.
    case fsyncP99Seconds = "fsync_p99_seconds"
    /// The 99th percentile of the commits of the database.
    case commitP99Seconds = "commit_p99_seconds"
    /// The 99th percentile of the round trips to peers, with the time to connect.
    case peerRoundTripP99Seconds = "peer_round_trip_p99_seconds"
    /// The entries of the Raft log that were committed.
    case proposalsCommittedPerSecond = "proposals_committed_per_second"
    /// The entries of the Raft log that were applied.
    case proposalsAppliedPerSecond = "proposals_applied_per_second"
    /// The proposals that failed.
    case proposalsFailedPerSecond = "proposals_failed_per_second"
    /// The proposals that wait.
    case proposalsPending = "proposals_pending"
    /// The puts.
    case putsPerSecond = "puts_per_second"
    /// The reads of ranges.
    case rangesPerSecond = "ranges_per_second"
    /// The deletions.
    case deletesPerSecond = "deletes_per_second"
    /// The transactions.
    case transactionsPerSecond = "transactions_per_second"
    /// The unary gRPC calls.
    case requestsPerSecond = "requests_per_second"
    /// The share of unary gRPC calls that failed by the server's fault, from 0 to 1.
    case requestErrorRatio = "request_error_ratio"
    /// The 99th percentile of unary gRPC calls; only with etcd's `--metrics extensive`.
    case requestP99Seconds = "request_p99_seconds"
    /// The processor time that is used in a second: 2 for two busy cores.
    case cpuCores = "cpu_cores"
    /// The memory that the process holds.
    case memoryBytes = "memory_bytes"
    /// The open file descriptors.
    case openFiles = "open_files"
    /// The file descriptors that may be open.
    case maximumOpenFiles = "maximum_open_files"
    /// The bytes that came from clients.
    case clientReceivedBytesPerSecond = "client_received_bytes_per_second"
    /// The bytes that went to clients.
    case clientSentBytesPerSecond = "client_sent_bytes_per_second"
    /// The bytes that came from other members.
    case peerReceivedBytesPerSecond = "peer_received_bytes_per_second"
    /// The bytes that went to other members.
    case peerSentBytesPerSecond = "peer_sent_bytes_per_second"
    /// The watches.
    case watchers = "watchers"
    /// The watches that lag behind.
    case slowWatchers = "slow_watchers"
    /// The open streams of watches and keepalives: as near as etcd comes to the number of its clients.
    case openStreams = "open_streams"
    /// The changes of the leader that the process has seen.
    case leaderChanges = "leader_changes"
    /// The time since the process began.
    case processAgeSeconds = "process_age_seconds"
    /// The time that a read from the member's own copy took in this poll.
    case serializableReadSeconds = "serializable_read_seconds"
    /// The time that a read with a majority took in this poll.
    case linearizableReadSeconds = "linearizable_read_seconds"
}
