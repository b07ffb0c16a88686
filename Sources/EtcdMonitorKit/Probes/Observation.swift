// SPDX-License-Identifier: Apache-2.0

import EtcdKit
public import Foundation

/// The answers of a cluster to one poll, without a judgement.
struct ClusterObservation: Sendable {
    /// The wall-clock time when the poll began; for people only.
    var time: Date
    /// The time of the monotonic clock when the poll began; for all windows and rates.
    var uptime: Duration
    /// The members in the order of their list, and then each endpoint that belongs to none.
    var members: [MemberObservation]
    /// Whether authentication is on; nil if no member has reported it.
    var isAuthEnabled: Bool?
}

/// The answers of one member to one poll.
struct MemberObservation: Sendable {
    /// The ID of the member; nil for an endpoint that has never reported one.
    var id: Member.ID?
    /// The member's name; empty while it is unknown.
    var name = ""
    /// The probed endpoint; nil if the member has none, because it has not started.
    var endpoint: Endpoint?
    /// Whether most members list it.
    var isListed = true
    /// Whether it has started at least once since it was added.
    var isStarted = true
    /// Whether it has no vote.
    var isLearner = false
    /// Whether it is probed over TLS.
    var isSecure = false
    /// The member's own status.
    var status: Probe<MemberStatus> = .skipped
    /// The revision of the store, from a serializable read.
    var serializableRead: Probe<Revision> = .skipped
    /// The revision of the store, from a linearizable read.
    var linearizableRead: Probe<Revision> = .skipped
    /// Its list of members.
    var memberList: Probe<[Member]> = .skipped
    /// The answers over HTTP; nil in a poll that does not ask for them.
    var visit: MetricsVisit?
    /// The hash of its keys and values, if they were compared since the previous poll.
    var hash: Probe<KeyValueHash> = .skipped

    /// Makes an observation without answers.
    init(id: Member.ID?, name: String = "", endpoint: Endpoint?) {
        self.id = id
        self.name = name
        self.endpoint = endpoint
    }
}

/// The answers of one member over HTTP, which may be asked for less often than calls are made.
struct MetricsVisit: Sendable {
    /// Its metrics that are in ``MetricsCatalogue``.
    var metrics: Probe<Exposition> = .skipped
    /// The state of its Raft, from `/debug/vars`.
    var raft: Probe<RaftState> = .skipped
    /// The bounds of the offset of its clock from this machine's, in seconds; nil if it is unknown.
    var clockOffset: ClosedRange<Double>?
    /// The certificates that it presented, and those that the monitor presents to it.
    var certificates: [CertificateReading] = []
}

/// The state of a member's Raft, from `/debug/vars`.
struct RaftState: Sendable, Hashable, Codable {
    /// The term.
    ///
    /// During elections, it is newer than ``MemberStatus/raftTerm``.
    var term: UInt64
    /// `StateLeader`, `StateFollower`, `StateCandidate` or `StatePreCandidate`.
    var state: String
    /// The index of the newest entry of each member as the leader sees it, by ID in hexadecimal digits; empty
    /// elsewhere.
    var matches: [String: UInt64] = [:]
}

/// A certificate in use, and its expiry.
public struct CertificateReading: Sendable, Hashable, Codable {
    /// The holder of a certificate.
    public enum Role: String, Sendable, Hashable, Codable {
        /// The member.
        case server
        /// An authority between the member's certificate and the trusted one.
        case authority
        /// The monitor, as a client.
        case client
    }

    /// The subject, such as `CN=etcd-0`.
    public var subject: String
    /// The holder.
    public var role: Role
    /// The time when it expires.
    public var notAfter: Date

    /// Makes a reading.
    ///
    /// - Parameters:
    ///   - subject: The subject.
    ///   - role: The holder.
    ///   - notAfter: The time when it expires.
    public init(subject: String, role: Role, notAfter: Date) {
        self.subject = subject
        self.role = role
        self.notAfter = notAfter
    }
}
