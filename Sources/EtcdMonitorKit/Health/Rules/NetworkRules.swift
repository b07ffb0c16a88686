// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The members' reach of each other.
enum NetworkRules {
    static let all: [Evidence.Rule] = [memberIsolated, linkDown, memberUnreachable]

    static func memberIsolated(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.filter { $0.condition == .isolated }.map { member in
            let summary = "runs, and is cut off from the leader: it serves no writes and no reads that need a majority"
            return Suspicion(
                .memberIsolated,
                of: member,
                evidence.verdictOfLoss(of: member),
                summary,
                evidence.voterFigures
            )
        }
    }

    /// A link that is not needed now, as both of its ends have a leader; a member without one is isolated.
    static func linkDown(_ evidence: Evidence) -> [Suspicion] {
        let links = evidence.situation.links(patience: .threshold(evidence.thresholds.linkSilenceSeconds))
        let silent = Set(links.filter { $0.state == .silent }.map { [$0.from, $0.to].sorted() })
        return silent.compactMap { ends in
            let members = evidence.wellMembers.filter { ends.contains($0.key) && $0.hasLeader == true }
            guard members.count == 2 else { return nil }
            let summary = "Members \(members[0].label) and \(members[1].label) do not reach each other"
            let hold = evidence.thresholds.linkDownSeconds
            return Suspicion(.linkDown, about: ends.joined(separator: ">"), .ok, summary, holdFor: hold)
        }
    }

    static func memberUnreachable(_ evidence: Evidence) -> [Suspicion] {
        let isAnyAlive = evidence.members.contains(where: \.observation.isAlive)
        return evidence.members.filter { $0.condition == .unreachable }.map { member in
            let summary =
                isAnyAlive
                ? "does not answer the monitor, and the other members hear it: the monitor's way to it is broken"
                : "does not answer, nor does any other: either the cluster or the monitor's network is down"
            return Suspicion(.memberUnreachable, of: member, isAnyAlive ? .degraded : .unknown, summary)
        }
    }
}

extension Evidence {
    /// How bad it is that a member is lost: critical if the quorum is lost with it.
    func verdictOfLoss(of member: MemberView) -> Verdict {
        !member.observation.isLearner && quorum.faultTolerance < 0 && quorum.state != .available ? .critical : .degraded
    }
}
