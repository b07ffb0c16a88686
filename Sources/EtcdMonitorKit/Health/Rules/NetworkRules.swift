// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the connections between members.
enum NetworkRules {
    static let all: [Evidence.Rule] = [memberIsolated, linkDown, memberUnreachable]

    static func memberIsolated(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.filter { $0.condition == .isolated }.map { member in
            let summary = "runs, but is cut off from the leader: it serves no writes and no linearizable reads"
            return Suspicion(
                .memberIsolated,
                of: member,
                evidence.verdictOfLoss(of: member),
                summary,
                evidence.voterFigures
            )
        }
    }

    /// Both ends of the link have a leader, so it is not needed now.
    ///
    /// A member without a leader is isolated instead.
    static func linkDown(_ evidence: Evidence) -> [Suspicion] {
        let links = evidence.situation.links(patience: .threshold(evidence.thresholds.linkSilenceSeconds))
        let silent = Set(links.filter { $0.state == .silent }.map { [$0.from, $0.to].sorted() })
        return silent.compactMap { ends in
            let members = evidence.wellMembers.filter { ends.contains($0.key) && $0.hasLeader == true }
            guard members.count == 2 else { return nil }
            let summary = "Members \(members[0].label) and \(members[1].label) cannot reach each other"
            let hold = evidence.thresholds.linkDownSeconds
            return Suspicion(.linkDown, about: ends.joined(separator: ">"), .ok, summary, holdFor: hold)
        }
    }

    static func memberUnreachable(_ evidence: Evidence) -> [Suspicion] {
        let isAnyAlive = evidence.members.contains(where: \.observation.isAlive)
        return evidence.members.filter { $0.condition == .unreachable }.map { member in
            let summary =
                isAnyAlive
                ? "does not answer the monitor, but the other members hear it: the monitor's connection to it is broken"
                : "does not answer, and neither does any other: the cluster or the monitor's network is down"
            return Suspicion(.memberUnreachable, of: member, isAnyAlive ? .degraded : .unknown, summary)
        }
    }
}

extension Evidence {
    /// The severity of a lost member: critical if the quorum is lost with it.
    func verdictOfLoss(of member: MemberView) -> Verdict {
        !member.observation.isLearner && quorum.faultTolerance < 0 && quorum.state != .available ? .critical : .degraded
    }
}
