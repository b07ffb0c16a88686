// SPDX-License-Identifier: Apache-2.0

import EtcdKit
public import Foundation

/// A rule that holds for a subject, about which people are notified.
public struct Alert: Sendable, Hashable, Codable, Identifiable {
    /// The state of an alert.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// Its rule holds, but not for long enough.
        case pending
        /// Its rule has held for long enough.
        case firing
        /// Its rule no longer holds.
        case resolved
    }

    /// The identity: a digest of the labels, as 64 hexadecimal digits.
    ///
    /// It is the same each time this rule holds for this subject. Severity and figures do not affect it.
    public var id: String { Self.id(of: labels) }
    /// The labels that identify the alert: `alertname`, `cluster`, and the subject, if there is one.
    public let labels: [String: String]
    /// Its current severity.
    public var severity: AlertSeverity
    /// The previous severities since it began, without the current one.
    public var pastSeverities: Set<AlertSeverity> = []
    /// The alert in one sentence, with figures.
    public var summary: String
    /// The meaning, and the recommended action.
    public var description: String
    /// The place of the rule in the documentation.
    public var runbook: String?
    /// The figures behind it, by name; the names include the units.
    public var figures: [String: Double]
    /// The state of the alert.
    public var state: State
    /// The time when its rule began to hold.
    public var activeSince: Date
    /// The time when it began to fire; nil while it is pending.
    public var firingSince: Date?
    /// The time when it was resolved; nil before.
    public var resolvedAt: Date?

    /// The name of its rule, such as `EtcdMemberDown`.
    public var name: String { labels["alertname"] ?? "" }
    /// The cluster it is about, by the name of its monitor.
    public var cluster: String { labels["cluster"] ?? "" }

    /// Makes a pending alert.
    ///
    /// - Parameters:
    ///   - name: The name of its rule.
    ///   - cluster: The name of the cluster's monitor.
    ///   - match: The subject for which the rule holds, and the texts about it.
    ///   - severity: The severity.
    ///   - time: The time when the rule began to hold.
    public init(_ name: String, cluster: String, _ match: AlertRule.Match, severity: AlertSeverity, since time: Date) {
        labels = match.labels.merging(["alertname": name, "cluster": cluster]) { $1 }
        self.severity = severity
        summary = match.summary
        description = match.description
        runbook = match.runbook
        figures = match.figures
        state = .pending
        activeSince = time
    }

    /// The labels including the severity, as other systems expect them.
    public var labelsWithSeverity: [String: String] { labels.merging(["severity": severity.rawValue]) { $1 } }

    /// The identity of an alert with these labels.
    static func id(of labels: [String: String]) -> String {
        let sum = SHA256()
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            // The length before each text makes the bytes unique for each set of labels.
            sum.update(Array("\(name.utf8.count) \(name)\(value.utf8.count) \(value)".utf8)[...])
        }
        return (sum.finish() ?? []).hexadecimal
    }
}

extension [UInt8] {
    /// The bytes as hexadecimal digits.
    var hexadecimal: String {
        let digits = Array<UInt8>("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
