// SPDX-License-Identifier: Apache-2.0

/// What a member of a cluster says of itself.
public struct MemberStatus: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public package(set) var header = ResponseHeader()
    /// The version of etcd that the member runs, such as `3.5.16`.
    public package(set) var version = ""
    /// How much room the member's database takes on its disk, in bytes.
    public package(set) var databaseSize: Int64 = 0
    /// How much of that is in use, in bytes; the rest is given back by ``Maintenance/defragment(_:)``.
    public package(set) var databaseSizeInUse: Int64 = 0
    /// How large the database may become, in bytes; 0 before etcd 3.6.
    public package(set) var databaseQuota: Int64 = 0
    /// The version of the database's layout, such as `3.6.0`; empty before etcd 3.6.
    public package(set) var storageVersion = ""
    /// The newest entry of the Raft log that the member knows to be committed.
    public package(set) var raftIndex: UInt64 = 0
    /// The member's term of the Raft protocol.
    public package(set) var raftTerm: UInt64 = 0
    /// The newest entry of the Raft log that the member has applied to its store.
    public package(set) var raftAppliedIndex: UInt64 = 0
    /// What is wrong with the member, in etcd's words: its alarms, and that it has no leader.
    public package(set) var errors: [String] = []
    /// The member is a learner: it has no vote.
    public package(set) var isLearner = false
    package var leaderNumber: UInt64 = 0
    var downgrade: Wire.DowngradeInfo?

    package init() {}

    /// The leader, as the member sees it; nil for none.
    public var leader: Member.ID? { leaderNumber == 0 ? nil : Member.ID(rawValue: leaderNumber) }

    /// The member leads the cluster.
    public var isLeader: Bool { leader == header.memberID }

    /// The version that the cluster is being downgraded to; nil if it is not, or before etcd 3.6.
    public var downgradeTarget: String? {
        downgrade.flatMap { $0.isEnabled ? $0.targetVersion : nil }
    }
}
