// SPDX-License-Identifier: Apache-2.0

extension WebhookChannel {
    /// The payload of Alertmanager's webhooks, version 4.
    ///
    /// The alerts of a cluster are one group. A message contains only changed alerts, so ``truncatedAlerts`` includes
    /// the unchanged firing ones.
    public struct Payload: Sendable, Hashable, Codable {
        /// The status of an alert.
        public enum Status: String, Sendable, Hashable, Codable, CaseIterable {
            case firing, resolved
        }

        /// An alert.
        public struct Alert: Sendable, Hashable, Codable {
            /// Its status.
            public var status: Status
            /// The labels, including the severity.
            public var labels: [String: String]
            /// The texts: `summary`, `description` and `runbook_url`, if there are any.
            public var annotations: [String: String]
            /// The time when it began to fire, in RFC 3339.
            public var startsAt: String
            /// The time when it ended, in RFC 3339; `0001-01-01T00:00:00Z` while it fires.
            public var endsAt: String
            /// The URL of the monitor's page; empty if it is unknown.
            public var generatorURL: String
            /// The identity of the alert, which does not include the severity.
            public var fingerprint: String

            /// Makes the alert of an item.
            ///
            /// - Parameters:
            ///   - item: The alert, and the reason why it is sent.
            ///   - notification: The notification it belongs to.
            public init(_ item: AlertNotification.Item, in notification: AlertNotification) {
                let alert = item.alert
                let isOver = item.reason == .resolved
                status = isOver ? .resolved : .firing
                labels = alert.labelsWithSeverity
                annotations = alert.annotations
                startsAt = (alert.firingSince ?? alert.activeSince).rfc3339
                endsAt = isOver ? (alert.resolvedAt ?? notification.time).rfc3339 : "0001-01-01T00:00:00Z"
                generatorURL = notification.externalURL ?? ""
                fingerprint = alert.id
            }
        }

        /// The version of this format.
        public var version = "4"
        /// The identity of the group.
        public var groupKey: String
        /// The number of firing alerts of the group that are not in this message.
        public var truncatedAlerts: Int
        /// Firing if any alert of the group fires.
        public var status: Status
        /// The name of the channel.
        public var receiver: String
        /// The labels of the group: the cluster.
        public var groupLabels: [String: String]
        /// The labels that all alerts of the message share.
        public var commonLabels: [String: String]
        /// The annotations that all alerts of the message share.
        public var commonAnnotations: [String: String]
        /// The URL of the monitor's page; empty if it is unknown.
        public var externalURL: String
        /// The alerts.
        public var alerts: [Alert]

        /// Makes the payload of a notification.
        ///
        /// - Parameter notification: The notification.
        public init(_ notification: AlertNotification) {
            let name = notification.cluster
            groupKey = "{}:{cluster=\"\(name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"}"
            truncatedAlerts = max(notification.openCount - notification.firing.count, 0)
            status = notification.firing.isEmpty && notification.openCount == 0 ? .resolved : .firing
            receiver = notification.channel
            groupLabels = ["cluster": name]
            alerts = notification.items.map { Alert($0, in: notification) }
            commonLabels = Self.common(alerts.map(\.labels))
            commonAnnotations = Self.common(alerts.map(\.annotations))
            externalURL = notification.externalURL ?? ""
        }

        private static func common(_ all: [[String: String]]) -> [String: String] {
            (all.first ?? [:]).filter { name, value in all.allSatisfy { $0[name] == value } }
        }
    }
}

extension Alert {
    /// The texts, by their names in Prometheus.
    var annotations: [String: String] {
        var texts = ["summary": summary]
        texts["description"] = description.isEmpty ? nil : description
        texts["runbook_url"] = runbook
        return texts
    }
}
