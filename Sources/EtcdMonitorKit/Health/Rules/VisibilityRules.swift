// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Limits of the monitor's own sight, which say nothing about the cluster.
enum VisibilityRules {
    static let all: [Evidence.Rule] = [notAuthorized, tlsFailure, metricsUnavailable]

    /// One finding for the cluster: rights are the same at every member.
    static func notAuthorized(_ evidence: Evidence) -> [Suspicion] {
        let refusals = evidence.members.compactMap { member in
            (member.observation.callFailures + [member.observation.hash.failure].compactMap { $0 })
                .first { $0.reason == .unauthorized }
        }
        guard let refusal = refusals.first else { return [] }
        let summary = "The monitor's user may not see all that it asks for: \(refusal.message)"
        return [Suspicion(.notAuthorized, .unknown, summary, ["members": Double(refusals.count)])]
    }

    static func tlsFailure(_ evidence: Evidence) -> [Suspicion] {
        evidence.members.compactMap { member in
            let failures = member.observation.callFailures + [member.observation.metrics.failure].compactMap { $0 }
            guard let failure = failures.first(where: { $0.reason == .tls }) else { return nil }
            return Suspicion(.tlsFailure, of: member, .unknown, "cannot be reached by TLS: \(failure.message)")
        }
    }

    /// Metrics may be served elsewhere or to others only; without them a part of the rules is silent.
    static func metricsUnavailable(_ evidence: Evidence) -> [Suspicion] {
        let failures = evidence.wellMembers.compactMap { member in
            member.observation.metrics.failure.flatMap { $0.reason == .tls ? nil : (member.label, $0.message) }
        }
        guard let (_, message) = failures.first else { return [] }
        let names = failures.map(\.0).joined(separator: ", ")
        let summary = "The metrics of \(names) cannot be read: \(message)"
        return [Suspicion(.metricsUnavailable, .unknown, summary, ["members": Double(failures.count)])]
    }
}
