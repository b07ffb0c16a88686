// SPDX-License-Identifier: Apache-2.0

/// The limits beyond which the monitor raises findings, and how long a figure must stay beyond them.
///
/// Windows and durations are in seconds, sizes in bytes, ratios from 0 to 1. A duration after which a finding is raised
/// (`…Seconds`) comes in addition to the polls that must agree. In JSON each limit has the name of its property; limits
/// that are left out have their defaults.
public struct Thresholds: Sendable, Hashable {
    // MARK: Polls

    /// The number of polls, of the last ``pollsConsidered``, that must agree to raise a finding.
    ///
    /// The same number of polls in a row without it ends the finding.
    public var pollsNeeded = 2
    /// The number of last polls that are considered to raise a finding.
    public var pollsConsidered = 3

    // MARK: Quorum and elections

    /// The voters that must work; nil for no limit but the majority.
    public var minimumVoters: Int?
    /// How long a running majority may have no leader or answer no reads, in seconds.
    ///
    /// An election takes about two seconds, and longer if the votes are split.
    public var leaderlessSeconds = 10.0
    /// The changes of the leader that are normal; nil for three, or the number of voters if it is larger, so that a
    /// rolling restart is normal.
    public var maximumLeaderChanges: Int?
    /// The window of ``maximumLeaderChanges``, in seconds.
    public var leaderChangesWindowSeconds = 900.0
    /// The number of elections without a winner that raises the finding.
    public var failedElections = 5
    /// The window of ``failedElections``, in seconds.
    public var failedElectionsWindowSeconds = 900.0
    /// How long the effects of a fault may last after it, in seconds.
    ///
    /// Failures until then are not counted.
    ///
    /// A learner may take as long to start.
    public var settlingSeconds = 10.0
    /// How long an old leader may still consider itself the leader, in seconds.
    public var staleLeaderSeconds = 5.0

    // MARK: Identity and data

    /// How long members may disagree about the membership, in seconds.
    public var membershipDivergedSeconds = 5.0
    /// How long an endpoint of the cluster that no member lists may answer, in seconds.
    ///
    /// A removed member stops by itself.
    public var strangerSeconds = 10.0
    /// How long a regression of the revision is shown, in seconds.
    public var revisionRegressionSeconds = 900.0

    // MARK: Network

    /// How long a link that carries heartbeats may be silent, in seconds.
    public var linkSilenceSeconds = 3.0
    /// How long a link between two members with a leader must be down, in seconds.
    public var linkDownSeconds = 10.0

    // MARK: Members

    /// How long the linearizable reads of one member may hang while those of the others do not, in seconds.
    public var consensusHungSeconds = 30.0
    /// The number of committed but unapplied entries at which a member is degraded.
    public var applyLagDegradedEntries = 1000.0
    /// The number at which it is critical; etcd refuses proposals at 5,000.
    public var applyLagCriticalEntries = 5000.0
    /// How long the member must lag, in seconds.
    public var applyLagSeconds = 120.0
    /// The number of missing entries at which a follower is degraded.
    public var replicationLagDegradedEntries = 1000.0
    /// The number at which it is critical; beyond 5,000 the leader may have to send its whole store.
    public var replicationLagCriticalEntries = 5000.0
    /// How long the follower must lag, in seconds.
    public var replicationLagSeconds = 60.0
    /// The number of missing entries of a learner that does not catch up.
    public var learnerLagEntries = 1000.0
    /// How long the learner must lag without catching up, in seconds.
    public var learnerLagSeconds = 10.0
    /// The age at which a learner should have been promoted to a voter, in seconds.
    public var learnerForgottenSeconds = 3600.0
    /// The number of restarts of a member that raises the finding.
    public var restarts = 3
    /// The window of ``restarts``, in seconds.
    public var restartsWindowSeconds = 1800.0
    /// How long members may run different versions before it becomes a warning, in seconds.
    public var versionSkewSeconds = 86_400.0
    /// The smallest certain difference between the clocks of members that raises the finding, in seconds.
    public var clockSpreadSeconds = 2.0
    /// The days before the expiry of a certificate at which it is degraded.
    public var certificateDegradedDays = 30.0
    /// The days before the expiry of a certificate at which it is critical.
    public var certificateCriticalDays = 7.0
    /// The days before the expiry of an authority's certificate at which it is degraded.
    public var authorityDegradedDays = 180.0

    // MARK: Databases and disks

    /// The share of its quota at which the size of a database becomes a notice.
    public var quotaNoticeRatio = 0.65
    /// The share of its quota at which a database is degraded.
    public var quotaDegradedRatio = 0.75
    /// The share of its quota at which a database is critical.
    public var quotaCriticalRatio = 0.85
    /// The largest acceptable size of a database, in bytes; nil for no limit but the quota.
    public var maximumDatabaseBytes: Double?
    /// The window over which the growth of a database is measured, in seconds.
    public var growthWindowSeconds = 14_400.0
    /// The part of that window that must have been observed, in seconds.
    public var growthMinimumSeconds = 1800.0
    /// The share of its quota above which the growth of a database counts.
    public var growthMinimumRatio = 0.5
    /// The time until a growing database reaches its quota at which it is degraded, in seconds.
    public var growthDegradedSeconds = 14_400.0
    /// The time until it reaches its quota at which it becomes a notice, in seconds.
    public var growthNoticeSeconds = 86_400.0
    /// The share of free space at which a database is fragmented.
    public var fragmentationRatio = 0.45
    /// The size above which fragmentation counts, in bytes.
    public var fragmentationMinimumBytes = 104_857_600.0
    /// The share of the quota that must be free space, unless the database uses ``quotaDegradedRatio`` of it.
    public var fragmentationFreeRatio = 0.1
    /// How long the database must be fragmented, in seconds.
    public var fragmentationSeconds = 1800.0
    /// The 99th percentile of log writes that becomes a notice, in seconds.
    public var fsyncNoticeSeconds = 0.01
    /// The 99th percentile of log writes that is degraded, in seconds.
    public var fsyncDegradedSeconds = 0.1
    /// The 99th percentile of log writes that is critical, in seconds.
    public var fsyncCriticalSeconds = 0.5
    /// The 99th percentile of database commits that becomes a notice, in seconds.
    public var commitNoticeSeconds = 0.025
    /// The 99th percentile of database commits that is degraded, in seconds.
    public var commitDegradedSeconds = 0.25
    /// The 99th percentile of database commits that is critical, in seconds.
    public var commitCriticalSeconds = 0.5
    /// The window of these percentiles, in seconds.
    public var diskWindowSeconds = 300.0
    /// The smallest number of writes in the window for a percentile.
    public var diskMinimumWrites = 20.0
    /// How long a disk must be slow, in seconds.
    public var slowDiskSeconds = 60.0

    // MARK: Load

    /// The latency of a read that is degraded, in seconds.
    public var maximumReadSeconds = 0.1
    /// The latency of a read that is critical, in seconds.
    public var criticalReadSeconds = 1.0
    /// How long reads must be slow, in seconds.
    public var slowReadsSeconds = 30.0
    /// The number of pending proposals that is normal.
    public var pendingProposals = 100.0
    /// How long more proposals must be pending, in seconds.
    public var pendingProposalsSeconds = 300.0
    /// The number of failed proposals that is normal.
    public var failedProposals = 5.0
    /// The window of ``failedProposals``, in seconds.
    public var failedProposalsWindowSeconds = 900.0
    /// The share of unary calls that fail because of the server at which a member is degraded.
    public var requestErrorDegradedRatio = 0.05
    /// The share at which it is critical.
    public var requestErrorCriticalRatio = 0.2
    /// The calls per second below which their errors do not count.
    public var requestErrorMinimumPerSecond = 2.0
    /// The window of these errors, in seconds.
    public var requestErrorWindowSeconds = 300.0
    /// The number of watches that may lag behind.
    public var slowWatchers = 100.0
    /// The share of a member's watches that may lag behind; both limits must be exceeded.
    public var slowWatchersRatio = 0.1
    /// How long too many watches must lag behind, in seconds.
    public var slowWatchersSeconds = 600.0
    /// The share of its file descriptors that a member may use.
    public var fileDescriptorsRatio = 0.8
    /// The memory that a member may use, in bytes; nil for no limit.
    public var maximumMemoryBytes: Double?
    /// The processor time that a member may use per second, in seconds; nil for no limit.
    public var maximumCPUCores: Double?
    /// The window of ``maximumCPUCores``, in seconds.
    public var cpuWindowSeconds = 60.0

    /// Makes the defaults.
    public init() {}
}
