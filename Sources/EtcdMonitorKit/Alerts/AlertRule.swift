// SPDX-License-Identifier: Apache-2.0

/// A rule that raises alerts from the snapshots of a monitor.
public struct AlertRule: Sendable {
    /// A subject for which a rule holds, and the texts about it.
    public struct Match: Sendable, Hashable {
        /// The labels that identify the subject, such as `member`; empty for the whole cluster.
        public var labels: [String: String]
        /// The severity, unless the rule has its own.
        public var severity: AlertSeverity
        /// The alert in one sentence.
        public var summary: String
        /// The meaning, and the recommended action.
        public var description: String
        /// The place of the rule in the documentation.
        public var runbook: String?
        /// The figures behind it, by name; the names include the units.
        public var figures: [String: Double]
        /// Whether it is unknown if the rule holds for this subject.
        ///
        /// Its alert then keeps its state.
        public var isUnknown = false

        /// Makes a match.
        ///
        /// - Parameters:
        ///   - labels: The labels that identify the subject.
        ///   - severity: The severity.
        ///   - summary: The alert in one sentence.
        ///   - description: The meaning, and the recommended action.
        ///   - runbook: The place of the rule in the documentation.
        ///   - figures: The figures behind it.
        public init(
            labels: [String: String] = [:],
            severity: AlertSeverity = .warning,
            summary: String,
            description: String = "",
            runbook: String? = nil,
            figures: [String: Double] = [:]
        ) {
            self.labels = labels
            self.severity = severity
            self.summary = summary
            self.description = description
            self.runbook = runbook
            self.figures = figures
        }

        /// Makes a match for a subject for which it is unknown if the rule holds.
        ///
        /// Its alert keeps its state.
        ///
        /// - Parameter labels: The labels that identify the subject.
        /// - Returns: The match.
        public static func unknown(_ labels: [String: String]) -> Match {
            var match = Match(labels: labels, summary: "")
            match.isUnknown = true
            return match
        }
    }

    /// The name of its alerts, in camel case, such as `EtcdMemberDown`.
    public var name: String
    /// The severity of its alerts; nil for that of each match.
    public var severity: AlertSeverity?
    /// How long it must hold before an alert fires.
    public var holdsFor: Duration
    /// How long an alert keeps firing after the rule no longer holds.
    public var keepsFiringFor: Duration
    /// The subjects for which the rule holds; nil if that is unknown, in which case its alerts keep their state.
    public var matches: @Sendable (MonitorSnapshot) -> [Match]?

    /// Makes a rule.
    ///
    /// - Parameters:
    ///   - name: The name of its alerts, in camel case; it must be unique.
    ///   - severity: The severity of its alerts; nil for that of each match.
    ///   - hold: How long it must hold before an alert fires.
    ///   - keepsFiringFor: How long an alert keeps firing after the rule no longer holds.
    ///   - matches: The subjects for which the rule holds in a snapshot; nil if that is unknown.
    public init(
        _ name: String,
        severity: AlertSeverity? = nil,
        holdsFor hold: Duration = .zero,
        keepsFiringFor: Duration = .zero,
        matches: @escaping @Sendable (MonitorSnapshot) -> [Match]?
    ) {
        self.name = name
        self.severity = severity
        holdsFor = hold
        self.keepsFiringFor = keepsFiringFor
        self.matches = matches
    }
}
