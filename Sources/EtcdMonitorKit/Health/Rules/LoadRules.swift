// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the load and the resources of the members.
enum LoadRules {
    static let all: [Evidence.Rule] = [
        slowReads, pendingProposals, failedProposals, requestErrors, slowWatchers, fileDescriptors, memory, cpu,
    ]

    static func slowReads(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.filter { !$0.isDefragmenting }.compactMap { member in
            let latencies = [member.observation.serializableRead.latency, member.observation.linearizableRead.latency]
            let slowest = latencies.compactMap { $0?.inSeconds }.max() ?? 0
            let (degraded, critical) = (limits.maximumReadSeconds, limits.criticalReadSeconds)
            guard let verdict = Verdict(slowest, degraded: degraded, critical: max(degraded, critical)) else {
                return nil
            }
            let summary = "answers reads slowly: the last one took \(whole(slowest * 1000)) ms"
            let figures = ["readSeconds": slowest, "limitSeconds": degraded]
            return Suspicion(.slowReads, of: member, verdict, summary, figures, holdFor: limits.slowReadsSeconds)
        }
    }

    static func pendingProposals(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.compactMap { member in
            guard let pending = member.page?["etcd_server_proposals_pending"], pending > limits.pendingProposals else {
                return nil
            }
            let summary = "has \(whole(pending)) pending proposals"
            let hold = limits.pendingProposalsSeconds
            return Suspicion(.pendingProposals, of: member, .degraded, summary, ["pending": pending], holdFor: hold)
        }
    }

    /// Failures while there is no leader are a consequence of another fault, and do not count.
    static func failedProposals(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        let window = evidence.window(limits.failedProposalsWindowSeconds, after: evidence.trends.lastTrouble)
        guard let window else { return [] }
        return evidence.wellMembers.compactMap { member in
            guard let failed = member.trend.log.increase(of: "etcd_server_proposals_failed_total", over: window),
                failed.amount > limits.failedProposals
            else { return nil }
            let summary = "had \(whole(failed.amount)) failed proposals in \(whole(failed.seconds)) seconds"
            let figures = ["failed": failed.amount, "windowSeconds": failed.seconds]
            return Suspicion(.failedProposals, of: member, .degraded, summary, figures)
        }
    }

    /// The share of unary calls that failed because of the server.
    ///
    /// Streams do not count: they normally end with an error.
    static func requestErrors(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        let window = evidence.window(limits.requestErrorWindowSeconds, after: evidence.trends.lastTrouble)
        guard let window else { return [] }
        return evidence.wellMembers.compactMap { member in
            let name = "grpc_server_handled_total"
            let log = member.trend.log
            guard let all = log.increase(of: name, over: window, where: FigureReader.isUnary),
                all.amount > 0, all.seconds > 0,
                all.seconds >= min(30, limits.requestErrorWindowSeconds / 2),
                all.amount / all.seconds >= limits.requestErrorMinimumPerSecond,
                let bad = log.increase(of: name, over: window, where: FigureReader.isFailedUnary)
            else { return nil }
            let ratio = bad.amount / all.amount
            let (degraded, critical) = (limits.requestErrorDegradedRatio, limits.requestErrorCriticalRatio)
            guard let verdict = Verdict(ratio, degraded: degraded, critical: critical) else { return nil }
            let summary = "fails \(whole(ratio * 100)) % of its calls"
            let figures = ["errorRatio": ratio, "callsPerSecond": all.amount / all.seconds]
            return Suspicion(.requestErrors, of: member, verdict, summary, figures)
        }
    }

    static func slowWatchers(_ evidence: Evidence) -> [Suspicion] {
        let limits = evidence.thresholds
        return evidence.wellMembers.compactMap { member in
            guard let slow = member.page?["etcd_debugging_mvcc_slow_watcher_total"], slow > limits.slowWatchers,
                let all = member.page?["etcd_debugging_mvcc_watcher_total"], slow > all * limits.slowWatchersRatio
            else { return nil }
            let summary = "has \(whole(slow)) of \(whole(all)) watches that lag behind"
            let figures = ["slowWatchers": slow, "watchers": all]
            let hold = limits.slowWatchersSeconds
            return Suspicion(.slowWatchers, of: member, .degraded, summary, figures, holdFor: hold)
        }
    }

    static func fileDescriptors(_ evidence: Evidence) -> [Suspicion] {
        evidence.wellMembers.compactMap { member in
            guard let open = member.page?["process_open_fds"], let limit = member.page?["process_max_fds"], limit > 0,
                open / limit > evidence.thresholds.fileDescriptorsRatio
            else { return nil }
            let summary = "has \(whole(open)) of \(whole(limit)) file descriptors in use"
            return Suspicion(.fileDescriptors, of: member, .degraded, summary, ["open": open, "limit": limit])
        }
    }

    static func memory(_ evidence: Evidence) -> [Suspicion] {
        guard let limit = evidence.thresholds.maximumMemoryBytes else { return [] }
        return evidence.wellMembers.compactMap { member in
            guard let used = member.page?["process_resident_memory_bytes"], used > limit else { return nil }
            let figures = ["memoryBytes": used, "limitBytes": limit]
            return Suspicion(.memory, of: member, .degraded, "uses more memory than the limit", figures)
        }
    }

    static func cpu(_ evidence: Evidence) -> [Suspicion] {
        guard let limit = evidence.thresholds.maximumCPUCores else { return [] }
        let window = Duration.threshold(evidence.thresholds.cpuWindowSeconds)
        return evidence.wellMembers.compactMap { member in
            guard let used = member.trend.log.increase(of: "process_cpu_seconds_total", over: window), used.seconds > 0,
                used.amount / used.seconds > limit
            else { return nil }
            let figures = ["cores": used.amount / used.seconds, "limitCores": limit]
            return Suspicion(.cpu, of: member, .degraded, "uses more processor time than the limit", figures)
        }
    }
}
