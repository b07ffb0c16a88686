// SPDX-License-Identifier: Apache-2.0

extension AlertCenter {
    /// The settings of a center: the alerts, the channels that receive them, and the times.
    public struct Options: Sendable {
        /// The rules; their names must differ.
        public var rules: [AlertRule] = AlertRule.findings + [.watchdog]
        /// The routes.
        ///
        /// An alert takes the first route that matches; if that route continues, it takes later ones as well.
        ///
        /// Without routes, all channels receive warnings and critical alerts.
        public var routes: [AlertRoute]?
        /// The rules that mute the consequences of an alert while it fires.
        public var inhibitions: [AlertInhibition] = AlertInhibition.standard
        /// The weekly times in which alerts are muted.
        public var maintenanceWindows: [MaintenanceWindow] = []
        /// The time between two evaluations of the rules.
        public var interval: Duration = .seconds(5)
        /// How long the first alerts of a cluster wait for others, to share one message.
        public var groupWait: Duration = .seconds(15)
        /// The shortest time between two messages of a channel about one cluster.
        ///
        /// New critical alerts do not wait.
        public var groupInterval: Duration = .seconds(60)
        /// The time after which people are reminded of an alert that still fires.
        public var repeatInterval: Duration = .seconds(4 * 3600)
        /// How long an alert from before a restart of the monitor keeps firing until it is found again or resolved.
        ///
        /// Some findings take a while to be found again.
        public var restartGrace: Duration = .seconds(120)
        /// The pause after a channel's first failure, and the longest pause.
        public var retry: ClosedRange<Duration> = .seconds(1)...(.seconds(300))
        /// The path of a file that keeps the state over restarts; nil for none.
        ///
        /// Two centers must not share it: the second one throws an error.
        public var stateFile: String?
        /// The number of resolved alerts and of audit records that are kept.
        public var historyLimit = 1000
        /// The URL of the monitor's page, for links in messages.
        public var externalURL: String?
        /// The address of the runbooks of findings; `#` and the code of the finding are appended.
        public var runbookBase = "Docs/Monitoring.md"
        /// Called for each change of an alert, and for each success and failure of a channel.
        public var onEvent: (@Sendable (Event) -> Void)?

        /// Makes options with the defaults.
        public init() {}
    }

    /// An event for logs; it contains no secret.
    public enum Event: Sendable, Hashable {
        /// An alert became pending, began to fire, changed its severity, or was resolved.
        case changed(Alert)
        /// A channel received a notification.
        case delivered(channel: String, AlertNotification, answer: String)
        /// A delivery to a channel failed.
        case failed(channel: String, AlertNotification, reason: String)
        /// The state file could not be written.
        case stateNotSaved(reason: String)
        /// A person changed something.
        case audited(AuditRecord)
    }
}
