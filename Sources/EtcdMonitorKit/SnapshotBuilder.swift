// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Builds a snapshot from each observation, with its figures and findings.
struct SnapshotBuilder {
    private let options: ClusterMonitor.Options
    private var evaluator: HealthEvaluator
    private var polls = 0
    /// The latencies of the probes, by member and probe.
    private var latencies: [LatencyKey: SlidingHistogram] = [:]
    /// The compacted revision of each member, and the time when it last changed.
    private var compactions: [String: (revision: Int64, moved: Date?)] = [:]

    private struct LatencyKey: Hashable, Comparable {
        let member: String
        let probe: String

        static func < (left: Self, right: Self) -> Bool { (left.member, left.probe) < (right.member, right.probe) }
    }

    init(_ options: ClusterMonitor.Options) {
        self.options = options
        evaluator = HealthEvaluator(options.thresholds)
    }

    /// The snapshot before the first poll.
    static func empty(_ options: ClusterMonitor.Options) -> MonitorSnapshot {
        var snapshot = MonitorSnapshot()
        snapshot.cluster = options.name
        snapshot.intervalSeconds = options.interval / .seconds(1)
        return snapshot
    }

    mutating func snapshot(
        of observation: ClusterObservation,
        tookSeconds: Double,
        _ historyFailures: [HistoryFailure] = []
    ) -> MonitorSnapshot {
        polls += 1
        let assessment = evaluator.evaluate(observation)
        var snapshot = Self.empty(options)
        snapshot.poll = polls
        snapshot.time = observation.time
        snapshot.pollSeconds = tookSeconds
        snapshot.clusterID = assessment.clusterID
        snapshot.quorum = assessment.quorum
        snapshot.leader = assessment.leader
        snapshot.leaderHistory = assessment.leaderHistory
        snapshot.links = assessment.links
        snapshot.findings = assessment.findings + historyFailures.map(\.finding)
        noteCompactions(in: observation, assessment)
        snapshot.isAuthEnabled = observation.isAuthEnabled
        snapshot.members = observation.members.map { member(of: $0, in: observation, assessment) }
        snapshot.metrics = FigureReader.combine(snapshot.members.map(\.metrics))
        snapshot.latency = latencies(after: observation)
        snapshot.verdict = snapshot.findings.map(\.verdict).max() ?? .ok
        return snapshot
    }

    private func member(
        of observed: MemberObservation,
        in observation: ClusterObservation,
        _ assessment: Assessment
    ) -> MemberSnapshot {
        let status = observed.status.answer
        let trend = assessment.trends[observed.key] ?? MemberTrend(options.thresholds)
        var member = MemberSnapshot()
        member.id = observed.key
        member.name = observed.name
        member.endpoint = observed.endpoint?.description
        member.role = observed.role(under: assessment.leader)
        member.verdict = assessment.memberVerdicts[member.id] ?? .ok
        member.probes = observed.results(trend.visit)
        member.version = status?.version
        member.raftTerm = [trend.visit.raft.answer?.term, status?.raftTerm].compactMap(\.self).max()
        member.raftIndex = status?.raftIndex
        member.raftAppliedIndex = status?.raftAppliedIndex
        member.revision = (status?.header.revision ?? observed.serializableRead.answer)?.rawValue
        member.compactRevision = compactions[member.id]?.revision
        member.compactedAt = compactions[member.id]?.moved
        member.usesTLS = member.probes.values.contains { $0.seconds != nil } ? observed.isSecure : nil
        member.clockOffsetSeconds = trend.visit.clockOffset.map { ($0.lowerBound + $0.upperBound) / 2 }
        member.certificates = trend.visit.certificates
        member.metrics = FigureReader.figures(
            page: trend.visit.metrics.answer,
            status: status,
            log: trend.log,
            uptime: observation.uptime,
            now: observation.time
        )
        member.metrics[.serializableReadSeconds] = observed.serializableRead.latency.map { $0 / .seconds(1) }
        member.metrics[.linearizableReadSeconds] = observed.linearizableRead.latency.map { $0 / .seconds(1) }
        return member
    }

    private mutating func noteCompactions(in observation: ClusterObservation, _ assessment: Assessment) {
        let known = compactions
        compactions = [:]
        for member in observation.members {
            let before = known[member.key]
            let page = assessment.trends[member.key]?.visit.metrics.answer
            let revision = page?["etcd_debugging_mvcc_compact_revision"].flatMap { Int64(exactly: $0) }
            guard let revision else {
                compactions[member.key] = before
                continue
            }
            let hasMoved = before.map { $0.revision < revision } ?? false
            compactions[member.key] = (revision, hasMoved ? observation.time : before?.moved)
        }
    }

    private mutating func latencies(after observation: ClusterObservation) -> [LatencySummary] {
        var present: Set<String> = []
        for member in observation.members {
            present.insert(member.key)
            for (probe, result) in member.results(member.visit) {
                let key = LatencyKey(member: member.key, probe: probe)
                var histogram = latencies[key] ?? SlidingHistogram(window: .seconds(300))
                if let seconds = result.seconds {
                    histogram.record(seconds, at: observation.uptime)
                } else {
                    histogram.recordFailure(at: observation.uptime)
                }
                latencies[key] = histogram
            }
        }
        latencies = latencies.filter { present.contains($0.key.member) }
        return latencies.sorted { $0.key < $1.key }.map { key, histogram in
            let (latencies, failures) = histogram.summary(at: observation.uptime)
            var summary = LatencySummary(member: key.member, probe: key.probe)
            summary.count = latencies.count
            summary.failures = failures
            summary.p50Seconds = latencies.quantile(0.5)
            // A percentile of fewer answers would only be one of the slowest answers.
            summary.p95Seconds = latencies.count >= 20 ? latencies.quantile(0.95) : nil
            summary.p99Seconds = latencies.count >= 100 ? latencies.quantile(0.99) : nil
            summary.maximumSeconds = latencies.maximum
            return summary
        }
    }
}

extension MemberObservation {
    fileprivate func role(under leader: Leader?) -> MemberSnapshot.Role {
        if !isListed { return .foreign }
        guard let id else { return .unknown }
        if !isStarted { return .unstarted }
        if isLearner { return .learner }
        return leader?.memberID == id.description ? .leader : .follower
    }

    /// The results of the probes that were made, with those of a visit.
    fileprivate func results(_ visit: MetricsVisit?) -> [String: ProbeResult] {
        var results: [String: ProbeResult] = [:]
        results["status"] = status.result
        results["serializable-read"] = serializableRead.result
        results["linearizable-read"] = linearizableRead.result
        results["member-list"] = memberList.result
        results["metrics"] = visit?.metrics.result
        results["raft"] = visit?.raft.result
        results["hash"] = hash.result
        return results
    }
}

extension Probe {
    fileprivate var result: ProbeResult? {
        switch self {
        case .answered(_, let latency): ProbeResult(seconds: latency / .seconds(1))
        case .failed(let failure): ProbeResult(failure: failure)
        case .skipped: nil
        }
    }
}

extension MonitorSnapshot {
    /// The figures that the history stores.
    var history: [String: Double] {
        var values: [String: Double] = [:]
        for (figure, value) in metrics { values["cluster/\(figure.rawValue)"] = value }
        for member in members {
            for (figure, value) in member.metrics { values["member/\(member.id)/\(figure.rawValue)"] = value }
        }
        return values
    }
}
