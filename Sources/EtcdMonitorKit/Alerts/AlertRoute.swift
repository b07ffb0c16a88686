// SPDX-License-Identifier: Apache-2.0

/// Says which channels are told about which alerts.
public struct AlertRoute: Sendable, Hashable {
    /// Channels, and how long an alert fires before they are told: the later ones are told only if nobody has mended it.
    public struct Step: Sendable, Hashable {
        /// How long an alert has to fire before these channels are told.
        public var delay: Duration
        /// The names of the channels.
        public var channels: [String]

        /// Makes a step.
        ///
        /// - Parameters:
        ///   - channels: The names of the channels.
        ///   - delay: How long an alert has to fire before they are told.
        public init(_ channels: [String], after delay: Duration = .zero) {
            self.delay = delay
            self.channels = channels
        }
    }

    /// The conditions that an alert has to fulfil, all of them; none for every alert.
    public var matchers: [AlertMatcher]
    /// The least severity.
    public var severity: AlertSeverity
    /// The channels, in steps.
    public var steps: [Step]
    /// How often people are reminded of an alert that goes on; nil for the center's own interval.
    public var repeatInterval: Duration?
    /// The routes after this one are followed, too.
    public var continues: Bool

    /// Makes a route.
    ///
    /// - Parameters:
    ///   - steps: The channels, in steps.
    ///   - severity: The least severity.
    ///   - matchers: The conditions that an alert has to fulfil, all of them.
    ///   - repeatInterval: How often people are reminded; nil for the center's own interval.
    ///   - continues: The routes after this one are followed, too.
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

    /// Makes a route to channels that are told at once.
    ///
    /// - Parameters:
    ///   - channels: The names of the channels.
    ///   - severity: The least severity.
    public init(to channels: String..., severity: AlertSeverity = .warning) {
        self.init(to: [Step(channels)], severity: severity)
    }

    /// Whether it is for an alert.
    func matches(_ alert: Alert) -> Bool { alert.severity >= severity && matchers.match(alert) }
}
