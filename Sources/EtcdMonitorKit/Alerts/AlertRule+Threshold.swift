// SPDX-License-Identifier: Apache-2.0

import Foundation

extension AlertRule {
    /// The scope of a figure.
    public enum Scope: String, Sendable, Hashable, Codable, CaseIterable {
        /// The figure of the whole cluster.
        case cluster
        /// The figure of each member. Each member has an alert of its own.
        case member
    }

    /// A limit of a figure.
    public enum Limit: Sendable, Hashable {
        /// The largest normal value.
        case above(Double)
        /// The smallest normal value.
        case below(Double)

        fileprivate func isExceeded(by value: Double) -> Bool {
            switch self {
            case .above(let limit): value > limit
            case .below(let limit): value < limit
            }
        }

        fileprivate var value: Double {
            switch self {
            case .above(let limit), .below(let limit): limit
            }
        }

        fileprivate var word: String { if case .above = self { "above" } else { "below" } }
    }

    /// Makes a rule that compares a figure with a limit.
    ///
    /// If the figure is unknown, its alerts keep their state.
    ///
    /// - Parameters:
    ///   - name: The name of its alerts, in camel case; it must be unique.
    ///   - figure: The figure.
    ///   - scope: The scope of the figure.
    ///   - limit: The limit.
    ///   - severity: The severity.
    ///   - hold: How long the limit must be exceeded before an alert fires.
    ///   - keepsFiringFor: How long an alert keeps firing after that.
    ///   - summary: A short summary of the alert, to which the figure is added; nil for the name of the figure.
    ///   - runbook: The place of the rule in the documentation.
    /// - Returns: The rule.
    public static func threshold(
        _ name: String,
        _ figure: Figure,
        of scope: Scope = .cluster,
        _ limit: Limit,
        severity: AlertSeverity = .warning,
        holdsFor hold: Duration = .zero,
        keepsFiringFor: Duration = .zero,
        summary: String? = nil,
        runbook: String? = nil
    ) -> AlertRule {
        AlertRule(name, severity: severity, holdsFor: hold, keepsFiringFor: keepsFiringFor) { snapshot in
            if snapshot.poll == 0 || snapshot.isStale { return nil }
            func match(_ value: Double?, _ labels: [String: String], _ place: String) -> Match? {
                guard let value, !value.isNaN else { return .unknown(labels) }
                if !limit.isExceeded(by: value) { return nil }
                let text = summary ?? figure.rawValue
                return Match(
                    labels: labels,
                    severity: severity,
                    summary: "\(text)\(place): \(value.formatted), \(limit.word) the limit of \(limit.value.formatted)",
                    runbook: runbook,
                    figures: [figure.rawValue: value, "limit": limit.value]
                )
            }
            switch scope {
            case .cluster:
                return match(snapshot.metrics[figure], [:], "").map { [$0] } ?? []
            case .member:
                return snapshot.members.compactMap { member in
                    let name = member.name.isEmpty ? member.id : member.name
                    return match(member.metrics[figure], ["member": member.id], " at \(name)")
                }
            }
        }
    }
}

extension Double {
    /// The number with at most four decimals, and without a decimal point if it is whole.
    fileprivate var formatted: String {
        formatted(.number.precision(.fractionLength(0...4)).locale(Locale(identifier: "en_US_POSIX")))
    }
}
