// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The result of one rule for one poll; it becomes a finding if enough polls agree.
struct Suspicion: Sendable {
    let id: Finding.ID
    var verdict: Verdict
    let summary: String
    let memberID: Member.ID?
    let evidence: [String: Double]
    /// How long it must last after enough polls agree, in seconds.
    let holdFor: Double
    /// Whether one poll is enough, because the evidence is certain.
    let isImmediate: Bool

    /// Makes a suspicion about the cluster, or about a subject that is not a member.
    init(
        _ code: Finding.Code,
        about subject: String = "",
        _ verdict: Verdict,
        _ summary: String,
        _ evidence: [String: Double] = [:],
        member: Member.ID? = nil,
        holdFor: Double = 0,
        isImmediate: Bool = false
    ) {
        id = Finding.ID(code, subject)
        self.verdict = verdict
        self.summary = summary
        self.evidence = evidence
        self.memberID = member
        self.holdFor = holdFor
        self.isImmediate = isImmediate
    }

    /// Makes a suspicion about a member.
    ///
    /// The summary continues a sentence that begins with its name.
    init(
        _ code: Finding.Code,
        of member: MemberView,
        _ verdict: Verdict,
        _ summary: String,
        _ evidence: [String: Double] = [:],
        holdFor: Double = 0,
        isImmediate: Bool = false
    ) {
        self.init(
            code,
            about: member.key,
            verdict,
            "Member \(member.label) \(summary)",
            evidence,
            member: member.id,
            holdFor: holdFor,
            isImmediate: isImmediate
        )
    }
}

/// The input of the rules: a poll, and the memory of previous polls.
struct Evidence: Sendable {
    let situation: Situation
    let trends: Trends
    let thresholds: Thresholds
    /// The findings that were open before this poll.
    let openFindings: Set<Finding.ID>

    /// A rule: a pure function from evidence to suspicions.
    typealias Rule = @Sendable (Evidence) -> [Suspicion]

    /// All rules.
    static let rules: [Rule] =
        ConsensusRules.all + IdentityRules.all + NetworkRules.all + MemberRules.all + StorageRules.all + LoadRules.all
        + VisibilityRules.all

    var suspicions: [Suspicion] { Self.rules.flatMap { $0(self) } }

    var members: [MemberView] { situation.members }
    var quorum: Quorum { situation.quorum }
    /// The members whose own figures are reliable.
    var wellMembers: [MemberView] { members.filter(\.condition.isWell) }

    /// The part of a window after a fault and its effects; nil if nothing of the window remains.
    func window(_ seconds: Double, after trouble: Duration?) -> Duration? {
        guard let trouble else { return .threshold(seconds) }
        let calm = situation.uptime - trouble - .threshold(thresholds.settlingSeconds)
        return calm > .zero ? min(calm, .threshold(seconds)) : nil
    }

    /// Whether the poll has new data to judge a finding; without them the finding stays as it is.
    func isJudgeable(_ finding: Suspicion) -> Bool {
        let member = members.first { $0.key == finding.id.subject }
        switch finding.id.code.source {
        case .memory: return true
        case .quorum: return quorum.state != .unknown
        case .contact: return members.contains { $0.observation.isAlive || $0.observation.silence == .refused }
        case .status: return member.map { $0.status != nil } ?? members.contains { $0.status != nil }
        case .quota: return member?.status != nil && member?.quota != nil
        case .metrics:
            let asked = members.filter { $0.observation.visit != nil && $0.observation.isAlive }
            return member.map { $0.observation.visit?.metrics.answer != nil } ?? !asked.isEmpty
        case .hash: return members.contains { if case .skipped = $0.observation.hash { false } else { true } }
        case .certificates: return members.contains { !$0.trend.visit.certificates.isEmpty }
        }
    }
}

extension Finding.Code {
    /// The data that a finding needs.
    enum Source {
        /// The memory of earlier polls, or the presence of any answer.
        case memory
        case quorum, status, quota, metrics, hash, certificates
        /// Proof that the monitor reaches the cluster.
        case contact
    }

    var source: Source {
        switch self {
        case .quorumLost, .noLeader: .quorum
        case .memberDown, .memberFrozen, .memberIsolated, .linkDown, .notAuthorized: .contact
        case .rivalLeaders, .staleLeader, .foreignCluster, .membershipDiverged, .alarmCorrupt, .alarmNoSpace: .status
        case .consensusHung, .applyLag, .replicationLag, .learnerLag, .versionSkew, .databaseLarge, .slowReads: .status
        case .databaseNearQuota, .databaseGrowth, .fragmentation: .quota
        case .slowFsync, .slowCommit, .pendingProposals, .failedProposals, .requestErrors, .slowWatchers: .metrics
        case .fileDescriptors, .memory, .cpu, .defragmenting, .clockSpread, .metricsUnavailable: .metrics
        case .corruption, .hashInconclusive: .hash
        case .certificateExpiry: .certificates
        case .tooFewVoters, .leaderFlapping, .failedElections, .revisionRegression: .memory
        case .memberUnreachable, .memberNotStarted, .learnerForgotten, .restartLoop: .memory
        case .tlsFailure, .monitorStale, .monitorHistoryFailed: .memory
        }
    }
}

/// A figure without its fraction, for texts.
///
/// Servers may report any number.
func whole(_ figure: Double) -> Int { Int(exactly: figure.rounded(.towardZero)) ?? (figure > 0 ? .max : .min) }
