// SPDX-License-Identifier: Apache-2.0

/// The limits beyond which the monitor raises findings, and how long a figure must be beyond them.
///
/// Windows and lengths of time are in seconds, sizes in bytes, shares from 0 to 1. A time `…Seconds` after which a finding
/// is raised comes on top of the polls that it must be seen in. In JSON each limit has the name of its property, and those
/// that are left out have their defaults.
public struct Thresholds: Sendable, Hashable {
    // MARK: Polls

    /// The polls, of the last ``pollsConsidered``, that must agree before a finding is raised; as many in a row without
    /// it end it.
    public var pollsNeeded = 2
    /// The polls that are looked at to raise a finding.
    public var pollsConsidered = 3

    // MARK: The cluster's ability to decide

    /// The voters that must work; nil for no limit but the majority.
    public var minimumVoters: Int?
    /// How long a majority that runs may be without a leader or an answer to reads, in seconds: an election takes about
    /// two, and more if the votes are split.
    public var leaderlessSeconds = 10.0
    /// The changes of the leader that are normal; nil for three, or as many as there are voters, so that a rolling restart
    /// is normal.
    public var maximumLeaderChanges: Int?
    /// The window of ``maximumLeaderChanges``, in seconds.
    public var leaderChangesWindowSeconds = 900.0
    /// The elections without a winner that are too many.
    public var failedElections = 5
    /// The window of ``failedElections``, in seconds.
    public var failedElectionsWindowSeconds = 900.0
    /// How long the effects of a fault may last after it, in seconds: what fails until then is not counted.
    ///
    /// A learner may take as long to start.
    public var settlingSeconds = 10.0
    /// How long an old leader may go on taking itself for the leader, in seconds.
    public var staleLeaderSeconds = 5.0

    // MARK: Identity and data

    /// How long members may disagree about who belongs to the cluster, in seconds.
    public var membershipDivergedSeconds = 5.0
    /// How long an endpoint of the cluster that is in no list of members may answer, in seconds: a removed member stops.
    public var strangerSeconds = 10.0
    /// How long a revision that went back is shown, in seconds.
    public var revisionRegressionSeconds = 900.0

    // MARK: Network

    /// How long a link on which heartbeats should arrive may be silent, in seconds.
    public var linkSilenceSeconds = 3.0
    /// How long a link between two members that both have a leader must be down, in seconds.
    public var linkDownSeconds = 10.0

    // MARK: Members

    /// How long a member's reads with a majority may hang while the others' do not, in seconds.
    public var consensusHungSeconds = 30.0
    /// The committed entries that a member has yet to apply and that make it degraded.
    public var applyLagDegradedEntries = 1000.0
    /// The same for critical; etcd refuses proposals at 5,000.
    public var applyLagCriticalEntries = 5000.0
    /// How long it must lag, in seconds.
    public var applyLagSeconds = 120.0
    /// The entries that a follower has yet to receive and that make it degraded.
    public var replicationLagDegradedEntries = 1000.0
    /// The same for critical; beyond 5,000 the leader may have to send its whole store.
    public var replicationLagCriticalEntries = 5000.0
    /// How long it must lag, in seconds.
    public var replicationLagSeconds = 60.0
    /// The entries that a learner has yet to receive, while it does not catch up.
    public var learnerLagEntries = 1000.0
    /// How long it must lag without catching up, in seconds.
    public var learnerLagSeconds = 10.0
    /// The age at which a learner should have become a voter, in seconds.
    public var learnerForgottenSeconds = 3600.0
    /// The restarts of a member that are too many.
    public var restarts = 3
    /// The window of ``restarts``, in seconds.
    public var restartsWindowSeconds = 1800.0
    /// How long members may run different versions before that is more than worth knowing, in seconds.
    public var versionSkewSeconds = 86_400.0
    /// How far apart the clocks of members may be for certain, in seconds.
    public var clockSpreadSeconds = 2.0
    /// The days before the end of a certificate at which it should be renewed.
    public var certificateDegradedDays = 30.0
    /// The days before its end at which it must be.
    public var certificateCriticalDays = 7.0
    /// The days before the end of an authority's certificate at which it should be renewed.
    public var authorityDegradedDays = 180.0

    // MARK: Databases and disks

    /// The share of its quota at which the size of a database is worth knowing.
    public var quotaNoticeRatio = 0.65
    /// The share at which it is degraded.
    public var quotaDegradedRatio = 0.75
    /// The share at which it is critical.
    public var quotaCriticalRatio = 0.85
    /// The size of a database that is too much, in bytes; nil for no limit but the quota.
    public var maximumDatabaseBytes: Double?
    /// How far back the growth of a database is looked at, in seconds.
    public var growthWindowSeconds = 14_400.0
    /// How much of that must have been seen, in seconds.
    public var growthMinimumSeconds = 1800.0
    /// The share of its quota from which on its growth counts.
    public var growthMinimumRatio = 0.5
    /// How soon a database that grows as now reaches its quota for it to be degraded, in seconds.
    public var growthDegradedSeconds = 14_400.0
    /// How soon for it to be worth knowing, in seconds.
    public var growthNoticeSeconds = 86_400.0
    /// The share of a database that is free and makes it fragmented.
    public var fragmentationRatio = 0.45
    /// The size from which on fragmentation counts, in bytes.
    public var fragmentationMinimumBytes = 104_857_600.0
    /// The share of the quota that must be free for it to count, unless the database takes ``quotaDegradedRatio`` of it.
    public var fragmentationFreeRatio = 0.1
    /// How long it must be fragmented, in seconds.
    public var fragmentationSeconds = 1800.0
    /// The 99th percentile of writes of the log that is worth knowing, in seconds.
    public var fsyncNoticeSeconds = 0.01
    /// The one that is degraded, in seconds.
    public var fsyncDegradedSeconds = 0.1
    /// The one that is critical, in seconds.
    public var fsyncCriticalSeconds = 0.5
    /// The 99th percentile of commits of the database that is worth knowing, in seconds.
    public var commitNoticeSeconds = 0.025
    /// The one that is degraded, in seconds.
    public var commitDegradedSeconds = 0.25
    /// The one that is critical, in seconds.
    public var commitCriticalSeconds = 0.5
    /// The window of these percentiles, in seconds.
    public var diskWindowSeconds = 300.0
    /// The writes in the window without which there is no percentile.
    public var diskMinimumWrites = 20.0
    /// How long a disk must be slow, in seconds.
    public var slowDiskSeconds = 60.0

    // MARK: Load

    /// The time that a read may take, in seconds.
    public var maximumReadSeconds = 0.1
    /// The time of a read that is critical, in seconds.
    public var criticalReadSeconds = 1.0
    /// How long reads must be slow, in seconds.
    public var slowReadsSeconds = 30.0
    /// The proposals that may wait.
    public var pendingProposals = 100.0
    /// How long too many must wait, in seconds.
    public var pendingProposalsSeconds = 300.0
    /// The proposals that may fail.
    public var failedProposals = 5.0
    /// The window of ``failedProposals``, in seconds.
    public var failedProposalsWindowSeconds = 900.0
    /// The share of unary calls that fail by the server's fault and make it degraded.
    public var requestErrorDegradedRatio = 0.05
    /// The share that makes it critical.
    public var requestErrorCriticalRatio = 0.2
    /// The calls in a second below which their errors do not count.
    public var requestErrorMinimumPerSecond = 2.0
    /// The window of these errors, in seconds.
    public var requestErrorWindowSeconds = 300.0
    /// The watches that may lag behind.
    public var slowWatchers = 100.0
    /// The share of a member's watches that may lag behind; both limits must be passed.
    public var slowWatchersRatio = 0.1
    /// How long too many must lag behind, in seconds.
    public var slowWatchersSeconds = 600.0
    /// The share of its file descriptors that a member may use.
    public var fileDescriptorsRatio = 0.8
    /// The memory that a member may hold, in bytes; nil for no limit.
    public var maximumMemoryBytes: Double?
    /// The processor time that a member may use in a second; nil for no limit.
    public var maximumCPUCores: Double?
    /// The window of ``maximumCPUCores``, in seconds.
    public var cpuWindowSeconds = 60.0

    /// Makes the defaults.
    public init() {}
}
