// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the limits of the monitor itself, which say nothing about the cluster.
enum VisibilityRules {
    static let all: [Evidence.Rule] = [notAuthorized, tlsFailure, metricsUnavailable]

    /// Makes one finding for the cluster, since rights are the same at every member.
    static func notAuthorized(_ evidence: Evidence) -> [Suspicion] {
        let refusals = evidence.members.compactMap { member in
            (member.observation.callFailures + [member.observation.hash.failure].compactMap { $0 })
                .first { $0.reason == .unauthorized }
        }
        guard let refusal = refusals.first else { return [] }
        let summary = "The monitor's user lacks a right: \(refusal.message)"
        return [Suspicion(.notAuthorized, .unknown, summary, ["members": Double(refusals.count)])]
    }

    static func tlsFailure(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.compactMap { member in
            let failures = member.observation.callFailures + [member.trend.visit.metrics.failure].compactMap { $0 }
            guard let failure = failures.first(where: { $0.reason == .tls }) else { return nil }
            return Suspicion(.tlsFailure, of: member, .unknown, "cannot be reached over TLS: \(failure.message)")
        }
    }

    /// Metrics may be served at another address or to other users only; some rules need them.
    static func metricsUnavailable(_ evidence: Evidence) -> [Suspicion] {
        let failures = evidence.wellMembers.compactMap { member in
            member.trend.visit.metrics.failure.flatMap { $0.reason == .tls ? nil : (member.label, $0.message) }
        }
        guard let (_, message) = failures.first else { return [] }
        let names = failures.map(\.0).joined(separator: ", ")
        let summary = "The metrics of \(names) cannot be read: \(message)"
        return [Suspicion(.metricsUnavailable, .unknown, summary, ["members": Double(failures.count)])]
    }
}
