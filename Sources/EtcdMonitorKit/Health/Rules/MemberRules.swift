// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Rules about single members: whether they run and keep up with the others.
enum MemberRules {
    static let all: [Evidence.Rule] = [
        lost, consensusHung, memberNotStarted, applyLag, replicationLag, learners, restartLoop, versionSkew,
        clockSpread,
        certificateExpiry,
    ]

    static func lost(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.compactMap { member in
            let verdict = evidence.verdictOfLoss(of: member)
            var figures = evidence.voterFigures
            figures["silentPolls"] = Double(member.trend.silentPolls)
            switch member.condition {
            case .down:
                let summary =
                    member.trend.isStarting
                    ? "is down or starting: its address refused connections a moment ago, and it does not answer yet"
                    : "is down: its address refuses connections"
                return Suspicion(.memberDown, of: member, verdict, summary, figures)
            case .frozen:
                let summary = "does not answer in time: its process is frozen, or its machine or network is down"
                return Suspicion(.memberFrozen, of: member, verdict, summary, figures)
            default:
                return nil
            }
        }
    }

    static func consensusHung(_ evidence: Evidence) -> [Suspicion] {
        guard evidence.quorum.state == .available else { return [] }
        return evidence.wellMembers.compactMap { member in
            guard member.observation.serializableRead.answer != nil, member.hasLeader != false,
                let failure = member.observation.linearizableRead.failure,
                failure.reason == .timedOut || failure.reason == .noLeader
            else { return nil }
            let summary = "answers serializable reads, but no linearizable reads: \(failure.message)"
            let hold = evidence.thresholds.consensusHungSeconds
            return Suspicion(.consensusHung, of: member, .critical, summary, holdFor: hold)
        }
    }

    /// A voter counts for the majority as soon as it is added; a learner needs time to start.
    static func memberNotStarted(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.filter { $0.condition == .unstarted }.map { member in
            let isLearner = member.observation.isLearner
            let effect = isLearner ? "it is a learner" : "it counts for the majority nevertheless"
            return Suspicion(
                .memberNotStarted,
                of: member,
                .degraded,
                "was added to the cluster, but has not started; \(effect)",
                evidence.voterFigures,
                holdFor: isLearner ? evidence.thresholds.settlingSeconds : 0
            )
        }
    }

    static func applyLag(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.compactMap { member in
            guard let status = member.status, status.raftIndex > status.raftAppliedIndex else { return nil }
            let lag = Double(status.raftIndex - status.raftAppliedIndex)
            let verdict = Verdict(
                lag,
                degraded: limits.applyLagDegradedEntries,
                critical: limits.applyLagCriticalEntries
            )
            guard let verdict else { return nil }
            let summary = "has not applied \(whole(lag)) entries of its log"
            return Suspicion(
                .applyLag,
                of: member,
                verdict,
                summary,
                ["lagEntries": lag],
                holdFor: limits.applyLagSeconds
            )
        }
    }

    static func replicationLag(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.filter { !$0.observation.isLearner }.compactMap { member in
            let lag = Double(member.trend.lag.now ?? 0)
            let (degraded, critical) = (limits.replicationLagDegradedEntries, limits.replicationLagCriticalEntries)
            guard let verdict = Verdict(lag, degraded: degraded, critical: critical) else { return nil }
            let summary = "has not received \(whole(lag)) entries"
            let hold = limits.replicationLagSeconds
            return Suspicion(.replicationLag, of: member, verdict, summary, ["lagEntries": lag], holdFor: hold)
        }
    }

    /// A new learner lags at first and then catches up.
    ///
    /// If it did not catch up in time, the finding lasts until it has, because its lag varies with the load.
    static func learners(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        var suspicions: [Suspicion] = []
        for member in evidence.wellMembers {
            guard let since = member.trend.learnerSince else { continue }
            if let lag = member.trend.lag.now, let before = member.trend.lag.before,
                Double(lag) > limits.learnerLagEntries,
                lag >= before - before / 10
                    || evidence.openFindings.contains(Finding.ID(.learnerLag, member.key))
            {
                let summary = "is a learner, lacks \(lag) entries and did not catch up"
                let figures = ["lagEntries": Double(lag)]
                let hold = limits.learnerLagSeconds
                suspicions.append(Suspicion(.learnerLag, of: member, .degraded, summary, figures, holdFor: hold))
            }
            let age = (evidence.situation.uptime - since).inSeconds
            if age > limits.learnerForgottenSeconds {
                let summary = "has been a learner for \(whole(age)) seconds, and has no vote until it is promoted"
                suspicions.append(Suspicion(.learnerForgotten, of: member, .degraded, summary, ["ageSeconds": age]))
            }
        }
        return suspicions
    }

    static func restartLoop(_ evidence: Evidence) -> [Suspicion] {
        let window = evidence.thresholds.restartsWindowSeconds
        return evidence.members.filter { $0.trend.restarts.count >= evidence.thresholds.restarts }.map { member in
            let count = member.trend.restarts.count
            let figures = ["restarts": Double(count), "windowSeconds": window]
            return Suspicion(
                .restartLoop,
                of: member,
                .degraded,
                "has restarted \(count) times in \(whole(window)) seconds",
                figures
            )
        }
    }

    /// A rolling upgrade has two versions for a while, which is only a notice.
    static func versionSkew(_ evidence: Evidence) -> [Suspicion] {
        let versions = Set(evidence.members.compactMap { $0.status?.version }.filter { !$0.isEmpty })
        guard versions.count > 1 else { return [] }
        let age = evidence.trends.skewSince.map { (evidence.situation.uptime - $0).inSeconds } ?? 0
        let verdict = age >= evidence.thresholds.versionSkewSeconds ? Verdict.degraded : .ok
        let summary = "Members run different versions: \(versions.sorted().joined(separator: ", "))"
        let figures = ["versions": Double(versions.count), "ageSeconds": age]
        return [Suspicion(.versionSkew, verdict, summary, figures)]
    }

    /// The offsets are known within bounds; the rule uses the smallest possible difference.
    static func clockSpread(_ evidence: Evidence) -> [Suspicion] {
        let offsets = evidence.members.compactMap(\.trend.visit.clockOffset)
        guard let ahead = offsets.map(\.lowerBound).max(), let behind = offsets.map(\.upperBound).min() else {
            return []
        }
        let spread = ahead - behind
        guard spread > evidence.thresholds.clockSpreadSeconds else { return [] }
        let text = spread.formatted(.number.precision(.fractionLength(1)))
        let summary = "The clocks of members are at least \(text) seconds apart"
        return [Suspicion(.clockSpread, .degraded, summary, ["spreadSeconds": spread])]
    }

    static func certificateExpiry(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.members.flatMap { member in
            member.trend.visit.certificates.compactMap { certificate in
                let days = certificate.notAfter.timeIntervalSince(evidence.situation.time) / 86_400
                let degraded =
                    certificate.role == .authority ? limits.authorityDegradedDays : limits.certificateDegradedDays
                // A smaller figure is worse, so both sides change their sign.
                guard let verdict = Verdict(-days, degraded: -degraded, critical: -limits.certificateCriticalDays)
                else {
                    return nil
                }
                let role = "\(certificate.role.rawValue) certificate \(certificate.subject)"
                let summary = days < 0 ? "The \(role) has expired" : "The \(role) expires in \(whole(days)) days"
                let owner = certificate.role == .server ? member.id : nil
                return Suspicion(
                    .certificateExpiry,
                    about: certificate.subject,
                    verdict,
                    summary,
                    ["daysLeft": days],
                    member: owner
                )
            }
        }
    }
}

extension Verdict {
    /// The verdict on a figure that should be small; nil if it is.
    init?(_ figure: Double, notice: Double = .infinity, degraded: Double, critical: Double = .infinity) {
        if figure > critical {
            self = .critical
        } else if figure > degraded {
            self = .degraded
        } else if figure > notice {
            self = .ok
        } else {
            return nil
        }
    }
}
