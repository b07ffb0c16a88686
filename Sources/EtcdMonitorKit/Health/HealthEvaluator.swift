// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Judges a cluster by its polls, one after the other.
///
/// A poll becomes a ``Situation``: the members and the condition of each, the leader, the quorum. The rules turn it and
/// the ``Trends`` into suspicions, and ``Hysteresis`` turns suspicions that last into findings. Times are those of a
/// monotonic clock, except the expiry dates of certificates and the times that people read.
struct HealthEvaluator: Sendable {
    private let thresholds: Thresholds
    private var trends: Trends
    private var hysteresis: Hysteresis

    /// Makes an evaluator without a history.
    ///
    /// - Parameter thresholds: The limits of normal figures.
    init(_ thresholds: Thresholds) {
        self.thresholds = thresholds
        trends = Trends(thresholds)
        hysteresis = Hysteresis(thresholds)
    }

    /// Judges a poll.
    ///
    /// Evaluate each poll once, in the order of time.
    ///
    /// - Parameter observation: The answers of the members.
    /// - Returns: The findings and the other results of the poll.
    mutating func evaluate(_ observation: ClusterObservation) -> Assessment {
        let known = trends.clusterID
        if known != nil, observation.clusterID(preferring: known) != known {
            // The endpoints now belong to another cluster, so the history does not apply to it.
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
        assessment.trends = trends.members
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
