// SPDX-License-Identifier: Apache-2.0

extension Figure {
    /// A one-line description of the figure.
    public var help: String {
        switch self {
        case .databaseBytes: "The size of the database on disk."
        case .databaseInUseBytes: "The part of the database that is in use."
        case .databaseQuotaBytes: "The size at which the database accepts no more writes."
        case .quotaUsedRatio: "The share of its quota that the database uses, from 0 to 1."
        case .keys: "The number of keys in the store."
        case .fsyncP99Seconds: "The 99th percentile of the log writes to disk, over the last five minutes."
        case .commitP99Seconds: "The 99th percentile of the database commits, over the last five minutes."
        case .peerRoundTripP99Seconds:
            "The 99th percentile of the round trips to peers, with the time to connect, over the last five minutes."
        case .proposalsCommittedPerSecond:
            "The committed entries of the Raft log, per second over the last minute."
        case .proposalsAppliedPerSecond:
            "The applied entries of the Raft log, per second over the last minute."
        case .proposalsFailedPerSecond: "The failed proposals, per second over the last minute."
        case .proposalsPending: "The pending proposals."
        case .putsPerSecond: "The puts, per second over the last minute."
        case .rangesPerSecond: "The range reads, per second over the last minute."
        case .deletesPerSecond: "The deletions, per second over the last minute."
        case .transactionsPerSecond: "The transactions, per second over the last minute."
        case .requestsPerSecond: "The unary gRPC calls, per second over the last minute."
        case .requestErrorRatio:
            "The share of unary gRPC calls that failed because of the server, over the last minute, from 0 to 1."
        case .requestP99Seconds:
            "The 99th percentile of unary gRPC calls, over the last five minutes; needs etcd's --metrics extensive."
        case .cpuCores: "The processor time used per second, over the last minute: 2 for two busy cores."
        case .memoryBytes: "The resident memory of the process."
        case .openFiles: "The open file descriptors."
        case .maximumOpenFiles: "The limit of open file descriptors."
        case .clientReceivedBytesPerSecond: "The bytes received from clients, per second over the last minute."
        case .clientSentBytesPerSecond: "The bytes sent to clients, per second over the last minute."
        case .peerReceivedBytesPerSecond: "The bytes received from other members, per second over the last minute."
        case .peerSentBytesPerSecond: "The bytes sent to other members, per second over the last minute."
        case .watchers: "The number of watches."
        case .slowWatchers: "The number of watches that lag behind."
        case .openStreams:
            "The open streams of watches and keepalives, etcd's best estimate of the number of its clients."
        case .leaderChanges: "The leader changes since the process started."
        case .processAgeSeconds: "The time since the process started."
        case .serializableReadSeconds: "The latency of a serializable read in this poll."
        case .linearizableReadSeconds: "The latency of a linearizable read in this poll."
        }
    }
}
