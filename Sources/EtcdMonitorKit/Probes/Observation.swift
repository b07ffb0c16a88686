// SPDX-License-Identifier: Apache-2.0

import EtcdKit
public import Foundation

/// The answers of a cluster to one poll: raw, without a judgement.
struct ClusterObservation: Sendable {
    /// When the poll began, on the clock of this machine; for people only.
    var time: Date
    /// When the poll began, on a clock that nobody can turn back; for all windows and rates.
    var uptime: Duration
    /// The members in the order of their list, and each endpoint that belongs to none.
    var members: [MemberObservation]
    /// Users and roles are on; nil if no member has said it.
    var isAuthEnabled: Bool?
}

/// The answers of one member to one poll.
struct MemberObservation: Sendable {
    /// The member; nil for an endpoint that has never said which member it is.
    var id: Member.ID?
    /// The member's name; empty while it is not known.
    var name = ""
    /// Where it was asked; nil if it cannot be asked, as it has not started.
    var endpoint: Endpoint?
    /// It is in the list of members that most members have.
    var isListed = true
    /// It has started at least once since it was added.
    var isStarted = true
    /// It has no vote.
    var isLearner = false
    /// It is asked by way of TLS.
    var isSecure = false
    /// The member's own status.
    var status: Probe<MemberStatus> = .skipped
    /// The store's revision, from a read that the member answers from its own copy.
    var serializableRead: Probe<Revision> = .skipped
    /// The store's revision, from a read that needs a majority.
    var linearizableRead: Probe<Revision> = .skipped
    /// The members that it knows.
    var memberList: Probe<[Member]> = .skipped
    /// Its metrics, as far as ``MetricsCatalogue`` uses them.
    var metrics: Probe<Exposition> = .skipped
    /// The state of its Raft, from `/debug/vars`.
    var raft: Probe<RaftState> = .skipped
    /// The hash of its keys and values, if that is compared in this poll.
    var hash: Probe<KeyValueHash> = .skipped
    /// How far its clock is ahead of this machine's, in seconds, at least and at most; nil if it is not known.
    var clockOffset: ClosedRange<Double>?
    /// The certificates that it has shown, and those that the monitor shows it.
    var certificates: [CertificateReading] = []

    /// Makes an observation in which nothing was asked.
    init(id: Member.ID?, name: String = "", endpoint: Endpoint?) {
        self.id = id
        self.name = name
        self.endpoint = endpoint
    }
}

/// The state of a member's Raft, as `/debug/vars` has it.
struct RaftState: Sendable, Hashable, Codable {
    /// The term, which is newer than that of ``MemberStatus/raftTerm`` during elections.
    var term: UInt64
    /// `StateLeader`, `StateFollower`, `StateCandidate` or `StatePreCandidate`.
    var state: String
    /// The newest entry of each member by the leader's view, by ID in hexadecimal digits; empty elsewhere.
    var matches: [String: UInt64] = [:]
}

/// A certificate in use, and when it ends.
public struct CertificateReading: Sendable, Hashable, Codable {
    /// Whose certificate it is.
    public enum Role: String, Sendable, Hashable, Codable {
        /// The member's own.
        case server
        /// That of an authority between the member's own and the one that is trusted.
        case authority
        /// The one with which the monitor connects.
        case client
    }

    /// Whom it is about, such as `CN=etcd-0`.
    public var subject: String
    /// Whose it is.
    public var role: Role
    /// When it ends.
    public var notAfter: Date

    /// Makes a reading.
    ///
    /// - Parameters:
    ///   - subject: Whom it is about.
    ///   - role: Whose it is.
    ///   - notAfter: When it ends.
    public init(subject: String, role: Role, notAfter: Date) {
        self.subject = subject
        self.role = role
        self.notAfter = notAfter
    }
}
