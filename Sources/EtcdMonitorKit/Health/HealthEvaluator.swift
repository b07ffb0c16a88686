// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Judges a cluster by what one poll after another has seen of it.
///
/// A poll becomes a ``Situation``: which members there are, how each is, who leads, whether there is a quorum. The rules
/// turn that and the ``Trends`` into suspicions, and ``Hysteresis`` makes findings of those that last. Times are those of
/// a clock that cannot be set, but for the ends of certificates and for what people read.
struct HealthEvaluator: Sendable {
    private let thresholds: Thresholds
    private var trends: Trends
    private var hysteresis: Hysteresis

    /// Makes an evaluator that has seen nothing.
    ///
    /// - Parameter thresholds: The limits of normal figures.
    init(_ thresholds: Thresholds) {
        self.thresholds = thresholds
        trends = Trends(thresholds)
        hysteresis = Hysteresis(thresholds)
    }

    /// Judges a poll; each poll counts once, in the order of time.
    ///
    /// - Parameter observation: The answers of the members.
    /// - Returns: The findings, and all else that follows from the answers.
    mutating func evaluate(_ observation: ClusterObservation) -> Assessment {
        let known = trends.clusterID
        if known != nil, observation.clusterID(preferring: known) != known {
            // Another cluster lives at these endpoints now: nothing that was seen before is about it.
            self = HealthEvaluator(thresholds)
        }
        trends.note(observation)
        let situation = Situation(observation, trends, thresholds)
        trends.note(situation)
        let evidence = Evidence(
            situation: situation,
            trends: trends,
            thresholds: thresholds,
            openFindings: hysteresis.openFindings
        )
        let present = Set(situation.members.map(\.id))
        let findings = hysteresis.update(
            evidence.suspicions,
            time: observation.time,
            uptime: observation.uptime,
            isGone: { finding in finding.memberID.map { !present.contains($0) } ?? false },
            isJudgeable: evidence.isJudgeable
        )

        var assessment = Assessment()
        assessment.findings = findings
        assessment.clusterID = trends.clusterID.map { String($0, radix: 16) }
        assessment.quorum = situation.quorum
        assessment.leader = situation.leader == nil ? nil : trends.leader
        assessment.leaderHistory = trends.leaderHistory
        assessment.links = situation.links(patience: .threshold(thresholds.linkSilenceSeconds))
        assessment.memberVerdicts = verdicts(findings, observation, situation)
        assessment.counters = trends.members.mapValues(\.log)
        return assessment
    }

    private func verdicts(
        _ findings: [Finding],
        _ observation: ClusterObservation,
        _ situation: Situation
    ) -> [String: Verdict] {
        let conditions = Dictionary(situation.members.map { ($0.key, $0.condition) }) { first, _ in first }
        let pairs = observation.members.map { member in
            let own = findings.filter { $0.id.subject == member.key || $0.memberID == member.key }
            let isKnown = conditions[member.key].map { $0 != .opaque && $0 != .unreachable } ?? member.isAlive
            return (member.key, own.map(\.verdict).max() ?? (isKnown ? .ok : .unknown))
        }
        return Dictionary(pairs, uniquingKeysWith: max)
    }
}
