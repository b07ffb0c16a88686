// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A cluster as the monitor sees it after a poll: plain data that does not change any more.
public struct MonitorSnapshot: Sendable, Hashable, Codable {
    /// The name that the monitor has for the cluster.
    public var cluster = ""
    /// The number of the poll, from 1; 0 before the first has finished.
    public var poll = 0
    /// When the poll began.
    public var time = Date(timeIntervalSince1970: 0)
    /// How long the poll took, in seconds.
    public var pollSeconds = 0.0
    /// How long the monitor waits between polls, in seconds.
    public var intervalSeconds = 0.0
    /// The worst of all findings; unknown before the first poll.
    public var verdict = Verdict.unknown
    /// etcd's number for the cluster in hexadecimal digits; nil if no member has said it.
    public var clusterID: String?
    /// Whether the cluster can decide.
    public var quorum = Quorum()
    /// The leader, as most members see it; nil for none.
    public var leader: Leader?
    /// The changes of the leader that the monitor has seen, the newest first; at most 50.
    public var leaderHistory: [LeaderChange] = []
    /// The members, in the order of the cluster's list, and the endpoints that belong to no member.
    public var members: [MemberSnapshot] = []
    /// The connections between members, as far as they can be judged.
    public var links: [PeerLink] = []
    /// The findings, the worst first.
    public var findings: [Finding] = []
    /// The newest figures of the whole cluster; without those that no member says.
    public var metrics: [Figure: Double] = [:]
    /// How long the monitor's own probes took.
    public var latency: [LatencySummary] = []
    /// Users and roles are on; nil if no member has said it.
    public var isAuthEnabled: Bool?

    /// Makes an empty snapshot.
    public init() {}
}

/// Whether a majority of the voters works.
public struct Quorum: Sendable, Hashable, Codable {
    /// The state of the majority, as far as it is known.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// A linearizable read has been answered.
        case available
        /// Voters answer, and none can serve a linearizable read.
        case lost
        /// No voter answers, which may be the monitor's own trouble.
        case unknown
    }

    /// The state of the majority, as far as it is known.
    public var state = State.unknown
    /// The number of members with a vote.
    public var voters = 0
    /// The number of voters that work.
    public var healthyVoters = 0
    /// How many more voters may fail before the majority is lost; negative if too many have.
    public var faultTolerance: Int { healthyVoters - (voters / 2 + 1) }

    /// Makes the state of a cluster of which nothing is known.
    public init() {}
}

extension Quorum {
    private enum JSONKeys: CodingKey { case state, voters, healthyVoters, faultTolerance }

    /// Writes the state with the fault tolerance, which readers without this library would have to work out.
    ///
    /// - Parameter encoder: Where to write it.
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
    /// The member, in hexadecimal digits.
    public var memberID: String
    /// Its name; empty if it is not known.
    public var name: String
    /// The term in which it leads.
    public var term: UInt64
    /// When the monitor first saw it lead.
    public var since: Date

    /// Makes a leader.
    ///
    /// - Parameters:
    ///   - memberID: The member, in hexadecimal digits.
    ///   - name: Its name.
    ///   - term: The term in which it leads.
    ///   - since: When the monitor first saw it lead.
    public init(memberID: String, name: String, term: UInt64, since: Date) {
        self.memberID = memberID
        self.name = name
        self.term = term
        self.since = since
    }
}

/// A change of the leader.
public struct LeaderChange: Sendable, Hashable, Codable {
    /// When the monitor saw it.
    public var time: Date
    /// The leader before, in hexadecimal digits; nil for none.
    public var from: String?
    /// The leader after, in hexadecimal digits; nil for none.
    public var to: String?
    /// The term after.
    public var term: UInt64

    /// Makes a change.
    ///
    /// - Parameters:
    ///   - time: When the monitor saw it.
    ///   - from: The leader before.
    ///   - to: The leader after.
    ///   - term: The term after.
    public init(time: Date, from: String?, to: String?, term: UInt64) {
        self.time = time
        self.from = from
        self.to = to
        self.term = term
    }
}

/// A connection between members, seen from the end that receives.
public struct PeerLink: Sendable, Hashable, Codable {
    /// The state of a link, as far as it is known.
    public enum State: String, Sendable, Hashable, Codable {
        /// Bytes arrive.
        case alive
        /// No bytes arrive that should.
        case silent
        /// It cannot be told.
        case unknown
    }

    /// The member that sends, in hexadecimal digits.
    public var from: String
    /// The member that receives, in hexadecimal digits.
    public var to: String
    /// The state of the link.
    public var state: State

    /// Makes a link.
    ///
    /// - Parameters:
    ///   - from: The member that sends.
    ///   - to: The member that receives.
    ///   - state: The state of the link.
    public init(from: String, to: String, state: State) {
        self.from = from
        self.to = to
        self.state = state
    }
}

/// A member as the monitor sees it.
public struct MemberSnapshot: Sendable, Hashable, Codable, Identifiable {
    /// The member in hexadecimal digits, or the endpoint if it has never said which member it is.
    public var id = ""
    /// Its name; empty until it has started.
    public var name = ""
    /// Where it is asked; nil if it cannot be.
    public var endpoint: String?
    /// The role in the cluster.
    public var role = Role.unknown
    /// The worst finding about it.
    public var verdict = Verdict.unknown
    /// The probes' results: `status`, `serializable-read`, `linearizable-read`, `member-list`, `metrics`, `raft`.
    public var probes: [String: ProbeResult] = [:]
    /// The version of etcd.
    public var version: String?
    /// Its term of the Raft protocol.
    public var raftTerm: UInt64?
    /// The newest entry of its Raft log.
    public var raftIndex: UInt64?
    /// The newest entry that it has applied.
    public var raftAppliedIndex: UInt64?
    /// The revision of its store.
    public var revision: Int64?
    /// The revision up to which its store is compacted.
    public var compactRevision: Int64?
    /// When the monitor last saw ``compactRevision`` move; nil if it has not yet.
    public var compactedAt: Date?
    /// The connection to it is protected by TLS; nil if there has been none.
    public var usesTLS: Bool?
    /// How far its clock is ahead of the monitor's, in seconds.
    public var clockOffsetSeconds: Double?
    /// The certificates in use.
    public var certificates: [CertificateReading] = []
    /// Its newest figures; without those that it does not say.
    public var metrics: [Figure: Double] = [:]

    /// The role of a member in its cluster.
    public enum Role: String, Sendable, Hashable, Codable, CaseIterable {
        case leader, follower, learner
        /// It was added, and has never started.
        case unstarted
        /// It answers, and is in no list of members.
        case foreign
        /// It has never said which member it is.
        case unknown
    }

    /// Makes an empty snapshot of a member.
    public init() {}
}

/// The result of one probe, without its answer.
public struct ProbeResult: Sendable, Hashable, Codable {
    /// How long the answer took, in seconds; nil if there is none.
    public var seconds: Double?
    /// Why there is no answer; nil if there is one.
    public var failure: ProbeFailure?

    /// Makes a result.
    ///
    /// - Parameters:
    ///   - seconds: How long the answer took.
    ///   - failure: Why there is no answer.
    public init(seconds: Double? = nil, failure: ProbeFailure? = nil) {
        self.seconds = seconds
        self.failure = failure
    }
}

/// How long one kind of probe took at one member, over the last minutes.
public struct LatencySummary: Sendable, Hashable, Codable {
    /// The member in hexadecimal digits, or its endpoint.
    public var member: String
    /// The probe, as in ``MemberSnapshot/probes``.
    public var probe: String
    /// The number of answers behind the figures.
    public var count: Int
    /// How many probes failed.
    public var failures: Int
    /// The median in seconds; nil without an answer.
    public var p50Seconds: Double?
    /// The 95th percentile in seconds; nil with fewer than 20 answers.
    public var p95Seconds: Double?
    /// The 99th percentile in seconds; nil with fewer than 100 answers.
    public var p99Seconds: Double?
    /// The slowest in seconds.
    public var maximumSeconds: Double?

    /// Makes a summary without an answer.
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
