// SPDX-License-Identifier: Apache-2.0

extension Finding {
    /// A kind of finding.
    public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
        // Quorum and elections.
        case quorumLost = "quorum-lost"
        case tooFewVoters = "too-few-voters"
        case noLeader = "no-leader"
        case leaderFlapping = "leader-flapping"
        case failedElections = "failed-elections"
        case rivalLeaders = "rival-leaders"
        case staleLeader = "stale-leader"
        // Identity and data.
        case foreignCluster = "foreign-cluster"
        case membershipDiverged = "membership-diverged"
        case revisionRegression = "revision-regression"
        case corruption = "corruption"
        case hashInconclusive = "hash-inconclusive"
        case alarmCorrupt = "alarm-corrupt"
        // Network.
        case memberIsolated = "member-isolated"
        case linkDown = "link-down"
        case memberUnreachable = "member-unreachable"
        // Members.
        case memberDown = "member-down"
        case memberFrozen = "member-frozen"
        case consensusHung = "consensus-hung"
        case memberNotStarted = "member-not-started"
        case applyLag = "apply-lag"
        case replicationLag = "replication-lag"
        case learnerLag = "learner-lag"
        case learnerForgotten = "learner-forgotten"
        case restartLoop = "restart-loop"
        case versionSkew = "version-skew"
        case clockSpread = "clock-spread"
        case certificateExpiry = "certificate-expiry"
        // Databases and disks.
        case alarmNoSpace = "alarm-no-space"
        case databaseNearQuota = "database-near-quota"
        case databaseLarge = "database-large"
        case databaseGrowth = "database-growth"
        case fragmentation = "fragmentation"
        case slowFsync = "slow-fsync"
        case slowCommit = "slow-commit"
        case defragmenting = "defragmenting"
        // Load.
        case slowReads = "slow-reads"
        case pendingProposals = "pending-proposals"
        case failedProposals = "failed-proposals"
        case requestErrors = "request-errors"
        case slowWatchers = "slow-watchers"
        case fileDescriptors = "file-descriptors"
        case memory
        case cpu
        // Limits of the monitor itself.
        case notAuthorized = "not-authorized"
        case tlsFailure = "tls-failure"
        case metricsUnavailable = "metrics-unavailable"
        case monitorStale = "monitor-stale"
        case monitorHistoryFailed = "monitor-history-failed"
    }
}
