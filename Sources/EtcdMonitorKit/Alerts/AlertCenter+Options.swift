// SPDX-License-Identifier: Apache-2.0

extension AlertCenter {
    /// Says what alerts there are, and who is told when.
    public struct Options: Sendable {
        /// The rules; no two may have one name.
        public var rules: [AlertRule] = AlertRule.findings + [.watchdog]
        /// The routes: an alert takes the first that matches, and further ones after a route that continues.
        ///
        /// Without any, all channels are told of warnings and worse.
        public var routes: [AlertRoute]?
        /// The consequences that are not told while their cause fires.
        public var inhibitions: [AlertInhibition] = AlertInhibition.standard
        /// The times of the week in which nothing is told.
        public var maintenanceWindows: [MaintenanceWindow] = []
        /// How often the rules are evaluated.
        public var interval: Duration = .seconds(5)
        /// How long the first news of a cluster wait for others, to be told together.
        public var groupWait: Duration = .seconds(15)
        /// How often a channel is told news of one cluster, at most; what is new and critical does not wait for it.
        public var groupInterval: Duration = .seconds(60)
        /// How often people are reminded of an alert that goes on.
        public var repeatInterval: Duration = .seconds(4 * 3600)
        /// How long an alert from before a restart of the monitor goes on until it is seen again, or is resolved.
        ///
        /// Some findings take a while to be found again.
        public var restartGrace: Duration = .seconds(120)
        /// How long to wait after a channel's first failure, and how long at most.
        public var retry: ClosedRange<Duration> = .seconds(1)...(.seconds(300))
        /// The path of a file that keeps all states over restarts; nil for none.
        ///
        /// Two centers must not share it; the second one ends with an error.
        public var stateFile: String?
        /// How many alerts that are over, and how many audit records, are kept.
        public var historyLimit = 1000
        /// Where the monitor's page is, for links in messages.
        public var externalURL: String?
        /// Where the runbooks of findings are, to which `#` and the code of the finding are added.
        public var runbookBase = "Docs/Monitoring.md"
        /// Called for each change of an alert, and each success and failure of a channel.
        public var onEvent: (@Sendable (Event) -> Void)?

        /// Makes options with everything at its default.
        public init() {}
    }

    /// Something that has happened, for logs; it has no secret.
    public enum Event: Sendable, Hashable {
        /// An alert became pending, began to fire, changed its severity, or was resolved.
        case changed(Alert)
        /// A channel was told.
        case delivered(channel: String, AlertNotification, answer: String)
        /// A channel could not be told.
        case failed(channel: String, AlertNotification, reason: String)
        /// The state file could not be written.
        case stateNotSaved(reason: String)
        /// Someone has changed something.
        case audited(AuditRecord)
    }
}
