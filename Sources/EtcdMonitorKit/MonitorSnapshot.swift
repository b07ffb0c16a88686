// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The state of a cluster after a poll, as an immutable value.
public struct MonitorSnapshot: Sendable, Hashable, Codable {
    /// The name of the cluster in the monitor.
    public var cluster = ""
    /// The number of the poll, from 1; 0 before the first has finished.
    public var poll = 0
    /// The time when the poll began.
    public var time = Date(timeIntervalSince1970: 0)
    /// The duration of the poll, in seconds.
    public var pollSeconds = 0.0
    /// The time between polls, in seconds.
    public var intervalSeconds = 0.0
    /// The worst verdict of all findings; unknown before the first poll.
    public var verdict = Verdict.unknown
    /// etcd's ID of the cluster in hexadecimal digits; nil if no member has reported it.
    public var clusterID: String?
    /// The state of the quorum.
    public var quorum = Quorum()
    /// The leader, as most members see it; nil for none.
    public var leader: Leader?
    /// The changes of the leader that the monitor has seen, the newest first; at most 50.
    public var leaderHistory: [LeaderChange] = []
    /// The members, in the order of the cluster's list, and then the endpoints that belong to no member.
    public var members: [MemberSnapshot] = []
    /// The connections between members, as far as they can be judged.
    public var links: [PeerLink] = []
    /// The findings, the worst first.
    public var findings: [Finding] = []
    /// The newest figures of the whole cluster.
    ///
    /// Figures that no member reports are left out.
    public var metrics: [Figure: Double] = [:]
    /// The latency of the monitor's own probes.
    public var latency: [LatencySummary] = []
    /// Whether authentication is on; nil if no member has reported it.
    public var isAuthEnabled: Bool?

    /// Makes an empty snapshot.
    public init() {}
}

/// Whether a majority of the voters works.
public struct Quorum: Sendable, Hashable, Codable {
    /// The state of the quorum, as far as it is known.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// A linearizable read has been answered.
        case available
        /// Voters answer, but none can serve a linearizable read.
        case lost
        /// No voter answers, which may be a fault of the monitor's own network.
        case unknown
    }

    /// The state of the quorum, as far as it is known.
    public var state = State.unknown
    /// The number of members with a vote.
    public var voters = 0
    /// The number of voters that work.
    public var healthyVoters = 0
    /// The number of voters that may still fail before the quorum is lost; negative if too many have failed.
    public var faultTolerance: Int { healthyVoters - (voters / 2 + 1) }

    /// Makes the state of an unknown cluster.
    public init() {}
}

extension Quorum {
    private enum JSONKeys: CodingKey { case state, voters, healthyVoters, faultTolerance }

    /// Encodes the state with the fault tolerance, so that readers without this library need not compute it.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: JSONKeys.self)
        try container.encode(state, forKey: .state)
        try container.encode(voters, forKey: .voters)
        try container.encode(healthyVoters, forKey: .healthyVoters)
        try container.encode(faultTolerance, forKey: .faultTolerance)
    }
}

/// The member that leads.
public struct Leader: Sendable, Hashable, Codable {
    /// The ID of the member, in hexadecimal digits.
    public var memberID: String
    /// Its name; empty if it is unknown.
    public var name: String
    /// The term in which it leads.
    public var term: UInt64
    /// The time when the monitor first saw it lead.
    public var since: Date

    /// Makes a leader.
    ///
    /// - Parameters:
    ///   - memberID: The ID of the member, in hexadecimal digits.
    ///   - name: Its name.
    ///   - term: The term in which it leads.
    ///   - since: The time when the monitor first saw it lead.
    public init(memberID: String, name: String, term: UInt64, since: Date) {
        self.memberID = memberID
        self.name = name
        self.term = term
        self.since = since
    }
}

/// A change of the leader.
public struct LeaderChange: Sendable, Hashable, Codable {
    /// The time when the monitor saw it.
    public var time: Date
    /// The ID of the previous leader, in hexadecimal digits; nil for none.
    public var from: String?
    /// The ID of the new leader, in hexadecimal digits; nil for none.
    public var to: String?
    /// The term of the new leader.
    public var term: UInt64

    /// Makes a change.
    ///
    /// - Parameters:
    ///   - time: The time when the monitor saw it.
    ///   - from: The ID of the previous leader.
    ///   - to: The ID of the new leader.
    ///   - term: The term of the new leader.
    public init(time: Date, from: String?, to: String?, term: UInt64) {
        self.time = time
        self.from = from
        self.to = to
        self.term = term
    }
}

/// A connection from one member to another, as the receiving member reports it.
public struct PeerLink: Sendable, Hashable, Codable {
    /// The state of a link, as far as it is known.
    public enum State: String, Sendable, Hashable, Codable {
        /// Bytes arrive.
        case alive
        /// No bytes arrive, although they should.
        case silent
        /// The state is unknown.
        case unknown
    }

    /// The ID of the sending member, in hexadecimal digits.
    public var from: String
    /// The ID of the receiving member, in hexadecimal digits.
    public var to: String
    /// The state of the link.
    public var state: State

    /// Makes a link.
    ///
    /// - Parameters:
    ///   - from: The ID of the sending member.
    ///   - to: The ID of the receiving member.
    ///   - state: The state of the link.
    public init(from: String, to: String, state: State) {
        self.from = from
        self.to = to
        self.state = state
    }
}

/// The state of a member after a poll.
public struct MemberSnapshot: Sendable, Hashable, Codable, Identifiable {
    /// The ID of the member in hexadecimal digits, or the endpoint if it has never reported its ID.
    public var id = ""
    /// Its name; empty until it has started.
    public var name = ""
    /// The endpoint that the monitor probes; nil if it has none.
    public var endpoint: String?
    /// The role in the cluster.
    public var role = Role.unknown
    /// The worst finding about it.
    public var verdict = Verdict.unknown
    /// The probes' results: `status`, `serializable-read`, `linearizable-read`, `member-list`, `metrics`, `raft`.
    ///
    /// The last two may be of an earlier poll, see ``ClusterMonitor/Options/metricsInterval``.
    public var probes: [String: ProbeResult] = [:]
    /// The version of etcd.
    public var version: String?
    /// Its Raft term.
    public var raftTerm: UInt64?
    /// The index of the newest entry of its Raft log.
    public var raftIndex: UInt64?
    /// The index of the newest applied entry.
    public var raftAppliedIndex: UInt64?
    /// The revision of its store.
    public var revision: Int64?
    /// The revision up to which its store is compacted.
    public var compactRevision: Int64?
    /// The time when the monitor last saw ``compactRevision`` change; nil if it has not changed yet.
    public var compactedAt: Date?
    /// Whether the connection to it uses TLS; nil if there has been none.
    public var usesTLS: Bool?
    /// The offset of its clock from the monitor's, in seconds.
    public var clockOffsetSeconds: Double?
    /// The certificates in use.
    public var certificates: [CertificateReading] = []
    /// Its newest figures.
    ///
    /// Figures that it does not report are left out.
    public var metrics: [Figure: Double] = [:]

    /// The role of a member in its cluster.
    public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
        case leader, follower, learner
        /// It was added, and has never started.
        case unstarted
        /// It answers, but no list of members contains it.
        case foreign
        /// It has never reported its ID.
        case unknown
    }

    /// Makes an empty snapshot of a member.
    public init() {}
}

/// The result of one probe, without its answer.
public struct ProbeResult: Sendable, Hashable, Codable {
    /// The latency of the answer, in seconds; nil if there is none.
    public var seconds: Double?
    /// The reason why there is no answer; nil if there is one.
    public var failure: ProbeFailure?

    /// Makes a result.
    ///
    /// - Parameters:
    ///   - seconds: The latency of the answer, in seconds.
    ///   - failure: The reason why there is no answer.
    public init(seconds: Double? = nil, failure: ProbeFailure? = nil) {
        self.seconds = seconds
        self.failure = failure
    }
}

/// The latency of one kind of probe at one member, over the last minutes.
public struct LatencySummary: Sendable, Hashable, Codable {
    /// The ID of the member in hexadecimal digits, or its endpoint.
    public var member: String
    /// The probe, as in ``MemberSnapshot/probes``.
    public var probe: String
    /// The number of answers behind the figures.
    public var count: Int
    /// The number of failed probes.
    public var failures: Int
    /// The median in seconds; nil without an answer.
    public var p50Seconds: Double?
    /// The 95th percentile in seconds; nil with fewer than 20 answers.
    public var p95Seconds: Double?
    /// The 99th percentile in seconds; nil with fewer than 100 answers.
    public var p99Seconds: Double?
    /// The slowest answer, in seconds.
    public var maximumSeconds: Double?

    /// Makes a summary without answers.
    ///
    /// - Parameters:
    ///   - member: The member.
    ///   - probe: The probe.
    public init(member: String, probe: String) {
        self.member = member
        self.probe = probe
        count = 0
        failures = 0
    }
}
