// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the quorum, the leader and elections.
enum ConsensusRules {
    static let all: [Evidence.Rule] = [
        quorum, tooFewVoters, leaderFlapping, failedElections, rivalLeaders, staleLeader,
    ]

    /// A missing majority is reported at once.
    ///
    /// A majority that runs may be in an election, which takes a while.
    static func quorum(_ evidence: Evidence) -> [Suspicion] {
        let quorum = evidence.quorum
        guard quorum.state == .lost else { return [] }
        let figures = evidence.voterFigures
        let answering = evidence.situation.answeringVoters
        if !evidence.situation.hasMajority {
            let majority = quorum.voters / 2 + 1
            let count = answering == 0 ? "none" : "only \(answering)"
            let summary = "The quorum is lost: \(count) of \(quorum.voters) voters answers, and \(majority) are needed"
            return [Suspicion(.quorumLost, .critical, summary, figures)]
        }
        let lost = evidence.situation.uptime - (evidence.trends.leaderlessSince ?? evidence.situation.uptime)
        guard lost >= .threshold(evidence.thresholds.leaderlessSeconds) else { return [] }
        if evidence.situation.leader == nil && evidence.situation.isLeaderKnown {
            let summary = "No voter knows a leader, although \(answering) of \(quorum.voters) answer"
            return [Suspicion(.noLeader, .critical, summary, figures)]
        }
        let summary = "No voter answers a linearizable read, although \(answering) of \(quorum.voters) run"
        return [Suspicion(.quorumLost, .critical, summary, figures)]
    }

    static func tooFewVoters(_ evidence: Evidence) -> [Suspicion] {
        let healthy = evidence.quorum.healthyVoters
        guard let minimum = evidence.thresholds.minimumVoters, healthy < minimum else { return [] }
        let summary = "\(healthy) voters work, but there should be \(minimum)"
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

    /// Finds terms without a leader.
    ///
    /// An isolated member lets the term grow until it is back, which is not a finding.
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

    /// An old leader learns of the new one, or steps down, within two election timeouts.
    static func staleLeader(_ evidence: Evidence) -> [Suspicion] {
        let newest = evidence.claimants.map(\.term).max() ?? 0
        return evidence.claimants.filter { $0.condition.isWell && $0.term < newest }.map { member in
            Suspicion(
                .staleLeader,
                of: member,
                .degraded,
                "considers itself the leader of term \(member.term), but there is one of term \(newest)",
                ["term": Double(member.term), "newestTerm": Double(newest)],
                holdFor: evidence.thresholds.staleLeaderSeconds
            )
        }
    }
}

extension Evidence {
    /// How close the cluster is to losing its quorum.
    var voterFigures: [String: Double] {
        [
            "voters": Double(quorum.voters), "healthyVoters": Double(quorum.healthyVoters),
            "faultTolerance": Double(quorum.faultTolerance),
        ]
    }

    /// The members that claim to lead.
    fileprivate var claimants: [MemberView] { members.filter { $0.status?.isLeader ?? false } }

    /// The changes of the leader in a window, as the polls saw them, or more if a majority of the voters counted more.
    ///
    /// Elections that only a minority counts may be its own return to the cluster.
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
