// SPDX-License-Identifier: Apache-2.0

/// The status of a member, as it reports it.
public struct MemberStatus: Sendable, Hashable, CustomStringConvertible {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// The version of etcd that the member runs, such as `3.5.16`.
    public var version = ""
    /// The size of the member's database on its disk, in bytes.
    public var databaseSize: Int64 = 0
    /// How much of that is in use, in bytes; ``Maintenance/defragment(_:)`` frees the rest.
    public var databaseSizeInUse: Int64 = 0
    /// How large the database may become, in bytes; 0 before etcd 3.6.
    public var databaseQuota: Int64 = 0
    /// The version of the database's layout, such as `3.6.0`; empty before etcd 3.6.
    public var storageVersion = ""
    /// The newest entry of the Raft log that the member knows to be committed.
    public var raftIndex: UInt64 = 0
    /// The member's term of the Raft protocol.
    public var raftTerm: UInt64 = 0
    /// The newest entry of the Raft log that the member has applied to its store.
    public var raftAppliedIndex: UInt64 = 0
    /// The problems of the member, in etcd's words: its alarms, and that it has no leader.
    public var errors: [String] = []
    /// The member is a learner: it has no vote.
    public var isLearner = false
    package var leaderNumber: UInt64 = 0
    var downgrade: Wire.DowngradeInfo?

    /// Makes a status in which nothing is known.
    public init() {}

    /// The leader, as the member sees it; nil for none.
    public var leader: Member.ID? {
        get { leaderNumber == 0 ? nil : Member.ID(rawValue: leaderNumber) }
        set { leaderNumber = newValue?.rawValue ?? 0 }
    }

    /// The member leads the cluster.
    public var isLeader: Bool { leader == header.memberID }

    /// The version that the cluster is being downgraded to; nil if it is not, or before etcd 3.6.
    public var downgradeTarget: String? {
        get { downgrade.flatMap { $0.isEnabled ? $0.targetVersion : nil } }
        set { downgrade = newValue.map { Wire.DowngradeInfo(isEnabled: true, targetVersion: $0) } }
    }

    /// The member, its role, its version, the size of its database, and what is wrong.
    public var description: String {
        let role = isLeader ? "leader" : isLearner ? "learner" : leader.map { "led by \($0)" } ?? "without a leader"
        let trouble = errors.map { ", \($0)" }.joined()
        return "member \(header.memberID), \(role), etcd \(version), \(databaseSize) bytes\(trouble)"
    }
}
