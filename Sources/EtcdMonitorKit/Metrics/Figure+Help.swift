// SPDX-License-Identifier: Apache-2.0

extension Figure {
    /// One line about the figure, for people.
    public var help: String {
        switch self {
        case .databaseBytes: "The room that the database takes on its disk."
        case .databaseInUseBytes: "The part of the database that is in use."
        case .databaseQuotaBytes: "The size at which the database takes no more writes."
        case .quotaUsedRatio: "The share of its quota that the database takes, from 0 to 1."
        case .keys: "The keys in the store."
        case .fsyncP99Seconds: "The 99th percentile of the writes of the log to the disk, over the last five minutes."
        case .commitP99Seconds: "The 99th percentile of the commits of the database, over the last five minutes."
        case .peerRoundTripP99Seconds:
            "The 99th percentile of the round trips to peers, with the time to connect, over the last five minutes."
        case .proposalsCommittedPerSecond:
            "The entries of the Raft log that were committed, per second over the last minute."
        case .proposalsAppliedPerSecond:
            "The entries of the Raft log that were applied, per second over the last minute."
        case .proposalsFailedPerSecond: "The proposals that failed, per second over the last minute."
        case .proposalsPending: "The proposals that wait."
        case .putsPerSecond: "The puts, per second over the last minute."
        case .rangesPerSecond: "The reads of ranges, per second over the last minute."
        case .deletesPerSecond: "The deletions, per second over the last minute."
        case .transactionsPerSecond: "The transactions, per second over the last minute."
        case .requestsPerSecond: "The unary gRPC calls, per second over the last minute."
        case .requestErrorRatio:
            "The share of unary gRPC calls that failed by the server's fault, over the last minute, from 0 to 1."
        case .requestP99Seconds:
            "The 99th percentile of unary gRPC calls, over the last five minutes; only with etcd's --metrics extensive."
        case .cpuCores: "The processor time that is used in a second, over the last minute: 2 for two busy cores."
        case .memoryBytes: "The memory that the process holds."
        case .openFiles: "The open file descriptors."
        case .maximumOpenFiles: "The file descriptors that may be open."
        case .clientReceivedBytesPerSecond: "The bytes that came from clients, per second over the last minute."
        case .clientSentBytesPerSecond: "The bytes that went to clients, per second over the last minute."
        case .peerReceivedBytesPerSecond: "The bytes that came from other members, per second over the last minute."
        case .peerSentBytesPerSecond: "The bytes that went to other members, per second over the last minute."
        case .watchers: "The watches."
        case .slowWatchers: "The watches that lag behind."
        case .openStreams:
            "The open streams of watches and keepalives: as near as etcd comes to the number of its clients."
        case .leaderChanges: "The changes of the leader that the process has seen."
        case .processAgeSeconds: "The time since the process began."
        case .serializableReadSeconds: "The time that a read from the member's own copy took in this poll."
        case .linearizableReadSeconds: "The time that a read with a majority took in this poll."
        }
    }
}
