// SPDX-License-Identifier: Apache-2.0

/// A rule that makes alerts of what the monitor sees.
public struct AlertRule: Sendable {
    /// A subject for which a rule holds, and the words about it.
    public struct Match: Sendable, Hashable {
        /// The labels that tell the subject from others, such as `member`; none for the whole cluster.
        public var labels: [String: String]
        /// How urgent it is, unless the rule has a severity of its own.
        public var severity: AlertSeverity
        /// The alert in one sentence.
        public var summary: String
        /// The meaning and advice.
        public var description: String
        /// Where the documentation says more.
        public var runbook: String?
        /// The figures behind it, by name; units are in the names.
        public var figures: [String: Double]
        /// Whether the rule holds for this subject cannot be told, which leaves its alert as it is.
        public var isUnknown = false

        /// Makes a match.
        ///
        /// - Parameters:
        ///   - labels: The labels that tell the subject from others.
        ///   - severity: How urgent it is.
        ///   - summary: The alert in one sentence.
        ///   - description: The meaning and advice.
        ///   - runbook: Where the documentation says more.
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

        /// A subject of which it cannot be told whether the rule holds, which leaves its alert as it is.
        ///
        /// - Parameter labels: The labels that tell the subject from others.
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
    /// How long it has to hold before an alert fires.
    public var holdsFor: Duration
    /// How long an alert goes on firing after the rule has ceased to hold.
    public var keepsFiringFor: Duration
    /// The subjects for which the rule holds; nil if that cannot be told, which leaves its alerts as they are.
    public var matches: @Sendable (MonitorSnapshot) -> [Match]?

    /// Makes a rule.
    ///
    /// - Parameters:
    ///   - name: The name of its alerts, in camel case; no other rule may have it.
    ///   - severity: The severity of its alerts; nil for that of each match.
    ///   - hold: How long it has to hold before an alert fires.
    ///   - keepsFiringFor: How long an alert goes on firing after the rule has ceased to hold.
    ///   - matches: The subjects for which the rule holds in a snapshot; nil if that cannot be told.
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
