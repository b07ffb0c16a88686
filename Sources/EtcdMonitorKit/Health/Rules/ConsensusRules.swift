// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Whether the cluster can decide, and how often its leader changes.
enum ConsensusRules {
    static let all: [Evidence.Rule] = [
        quorum, tooFewVoters, leaderFlapping, failedElections, rivalLeaders, staleLeader,
    ]

    /// A majority that is missing is lost at once; one that runs may be in an election, which takes a while.
    static func quorum(_ evidence: Evidence) -> [Suspicion] {
        let quorum = evidence.quorum
        guard quorum.state == .lost else { return [] }
        let figures = evidence.voterFigures
        let answering = evidence.situation.answeringVoters
        if !evidence.situation.hasMajority {
            let majority = quorum.voters / 2 + 1
            let count = answering == 0 ? "none" : "only \(answering)"
            let summary = "The quorum is lost: \(count) of \(quorum.voters) voters answers, and \(majority) must agree"
            return [Suspicion(.quorumLost, .critical, summary, figures)]
        }
        let lost = evidence.situation.uptime - (evidence.trends.leaderlessSince ?? evidence.situation.uptime)
        guard lost >= .threshold(evidence.thresholds.leaderlessSeconds) else { return [] }
        if evidence.situation.leader == nil && evidence.situation.isLeaderKnown {
            let summary = "No voter knows a leader, though \(answering) of \(quorum.voters) answer"
            return [Suspicion(.noLeader, .critical, summary, figures)]
        }
        let summary = "No voter answers a read that needs a majority, though \(answering) of \(quorum.voters) run"
        return [Suspicion(.quorumLost, .critical, summary, figures)]
    }

    static func tooFewVoters(_ evidence: Evidence) -> [Suspicion] {
        let healthy = evidence.quorum.healthyVoters
        guard let minimum = evidence.thresholds.minimumVoters, healthy < minimum else { return [] }
        let summary = "\(healthy) voters work, and there should be \(minimum)"
        return [Suspicion(.tooFewVoters, .degraded, summary, evidence.voterFigures)]
    }

    static func leaderFlapping(_ evidence: Evidence) -> [Suspicion] {
        let changes = evidence.leaderChanges(over: .threshold(evidence.thresholds.leaderChangesWindowSeconds))
        guard changes > evidence.thresholds.maximumLeaderChanges ?? max(3, evidence.quorum.voters) else { return [] }
        let window = evidence.thresholds.leaderChangesWindowSeconds
        let summary = "The leader has changed \(changes) times in \(whole(window)) seconds"
        return [
            Suspicion(.leaderFlapping, .degraded, summary, ["leaderChanges": Double(changes), "windowSeconds": window])
        ]
    }

    /// Terms without a leader.
    ///
    /// A member that is cut off lets the term grow until it is back, which is no finding.
    static func failedElections(_ evidence: Evidence) -> [Suspicion] {
        let seconds = evidence.thresholds.failedElectionsWindowSeconds
        guard let window = evidence.window(seconds, after: evidence.trends.lastAilment) else { return [] }
        let start = evidence.situation.uptime - window
        let terms = evidence.trends.terms
        guard let last = terms.last, let first = terms.last(where: { $0.uptime <= start }) ?? terms.first else {
            return []
        }
        let elections = Int(clamping: last.term - min(first.term, last.term))
        let failed = elections - evidence.leaderChanges(over: window)
        guard failed >= evidence.thresholds.failedElections else { return [] }
        let summary = "\(failed) elections had no winner"
        let figures = ["failedElections": Double(failed), "windowSeconds": window.inSeconds]
        return [Suspicion(.failedElections, .degraded, summary, figures)]
    }

    static func rivalLeaders(_ evidence: Evidence) -> [Suspicion] {
        Dictionary(grouping: evidence.claimants, by: \.term).filter { $0.value.count > 1 }.map { term, rivals in
            let names = rivals.map(\.label).joined(separator: " and ")
            return Suspicion(.rivalLeaders, .critical, "\(names) both lead in term \(term)", ["term": Double(term)])
        }
    }

    /// An old leader learns of the new one, or gives up, within two election timeouts.
    static func staleLeader(_ evidence: Evidence) -> [Suspicion] {
        let newest = evidence.claimants.map(\.term).max() ?? 0
        return evidence.claimants.filter { $0.condition.isWell && $0.term < newest }.map { member in
            Suspicion(
                .staleLeader,
                of: member,
                .degraded,
                "takes itself for the leader of term \(member.term), and there is one of term \(newest)",
                ["term": Double(member.term), "newestTerm": Double(newest)],
                holdFor: evidence.thresholds.staleLeaderSeconds
            )
        }
    }
}

extension Evidence {
    /// How far the cluster is from losing its quorum.
    var voterFigures: [String: Double] {
        [
            "voters": Double(quorum.voters), "healthyVoters": Double(quorum.healthyVoters),
            "faultTolerance": Double(quorum.faultTolerance),
        ]
    }

    /// The members that say they lead.
    fileprivate var claimants: [MemberView] { members.filter { $0.status?.isLeader ?? false } }

    /// The changes of the leader over a window: those that polls saw, or more if a majority of the voters counted more.
    ///
    /// Elections that a minority counts may be its own way back into the cluster.
    fileprivate func leaderChanges(over window: Duration) -> Int {
        let seen = trends.takeovers.count { $0 >= situation.uptime - window }
        let counts = situation.voters.compactMap { voter in
            voter.trend.log.increase(of: "etcd_server_leader_changes_seen_total", over: window)?.amount
        }
        let majority = quorum.voters / 2 + 1
        guard counts.count >= majority else { return seen }
        return max(seen, Int(min(counts.sorted(by: >)[majority - 1], 1e9)))
    }
}
