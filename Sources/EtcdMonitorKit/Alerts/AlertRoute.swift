// SPDX-License-Identifier: Apache-2.0

/// Selects the channels that are notified of an alert.
public struct AlertRoute: Sendable, Hashable {
    /// A step of an escalation: channels, and how long an alert must fire before they are notified.
    public struct Step: Sendable, Hashable {
        /// How long an alert must fire before these channels are notified.
        public var delay: Duration
        /// The names of the channels.
        public var channels: [String]

        /// Makes a step.
        ///
        /// - Parameters:
        ///   - channels: The names of the channels.
        ///   - delay: How long an alert must fire before they are notified.
        public init(_ channels: [String], after delay: Duration = .zero) {
            self.delay = delay
            self.channels = channels
        }
    }

    /// The conditions that an alert must meet, all of them; empty for every alert.
    public var matchers: [AlertMatcher]
    /// The lowest severity.
    public var severity: AlertSeverity
    /// The channels, in steps.
    public var steps: [Step]
    /// The time between reminders of an alert that still fires; nil for the center's own interval.
    public var repeatInterval: Duration?
    /// Whether later routes apply as well.
    public var continues: Bool

    /// Makes a route.
    ///
    /// - Parameters:
    ///   - steps: The channels, in steps.
    ///   - severity: The lowest severity.
    ///   - matchers: The conditions that an alert must meet, all of them.
    ///   - repeatInterval: The time between reminders; nil for the center's own interval.
    ///   - continues: Whether later routes apply as well.
    public init(
        to steps: [Step],
        severity: AlertSeverity = .warning,
        matching matchers: [AlertMatcher] = [],
        repeatInterval: Duration? = nil,
        continues: Bool = false
    ) {
        self.steps = steps
        self.severity = severity
        self.matchers = matchers
        self.repeatInterval = repeatInterval
        self.continues = continues
    }

    /// Makes a route to channels that are notified at once.
    ///
    /// - Parameters:
    ///   - channels: The names of the channels.
    ///   - severity: The lowest severity.
    public init(to channels: String..., severity: AlertSeverity = .warning) {
        self.init(to: [Step(channels)], severity: severity)
    }

    /// Whether it applies to an alert.
    func matches(_ alert: Alert) -> Bool { alert.severity >= severity && matchers.match(alert) }
}
