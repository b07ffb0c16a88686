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

/// Something that a member of a cluster has raised the alarm about; it lasts until it is disarmed.
public struct Alarm: Sendable, Hashable, CustomStringConvertible {
    /// A kind of alarm.
    ///
    /// Later versions of this package may know more kinds.
    public enum Kind: Sendable, Hashable, CustomStringConvertible {
        /// The database has reached its quota: nothing can be put.
        case noSpace
        /// The data of the member differ from those of the others.
        case corrupt
        /// Another kind, by etcd's number for it.
        case other(Int32)

        /// The name that etcd uses, or its number.
        public var description: String {
            switch self {
            case .noSpace: "NOSPACE"
            case .corrupt: "CORRUPT"
            case .other(let number): "alarm \(number)"
            }
        }
    }

    /// The member that is concerned.
    public var memberID = Member.ID(rawValue: 0)
    /// The kind of alarm.
    public var kind = Kind.other(0)

    init() {}

    /// Makes an alarm, such as one to disarm.
    ///
    /// - Parameters:
    ///   - kind: The kind of alarm.
    ///   - memberID: The member that is concerned.
    public init(_ kind: Kind, of memberID: Member.ID) {
        self.kind = kind
        self.memberID = memberID
    }

    /// The kind and the member.
    public var description: String { "\(kind) of member \(memberID)" }
}

/// A hash of the keys and values of a member, with their history up to a revision.
///
/// Members of one cluster whose hashes are of the same ``hashRevision`` and ``compactRevision`` must agree.
public struct KeyValueHash: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// The hash.
    public var hash: UInt32 = 0
    /// The revision that the member has compacted at last, from which on the history counts.
    public var compactRevision: Revision = 0
    /// The newest revision that counts; 0 before etcd 3.6, where it is the one asked for.
    public var hashRevision: Revision = 0

    /// Makes a hash of nothing.
    public init() {}
}
