// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A message to a channel: the changes of the alerts of one cluster.
public struct AlertNotification: Sendable, Hashable {
    /// The reason why an alert is part of a message.
    public enum Reason: String, Sendable, Hashable, Codable, CaseIterable {
        /// It began to fire, or a step of an escalation was reached.
        case fired
        /// Its severity has changed.
        case changed
        /// It still fires.
        case repeated
        /// It is resolved.
        case resolved
        /// It is not an alert, but a test of the channel.
        case test
    }

    /// An alert in a message, with the reason.
    public struct Item: Sendable, Hashable {
        /// The alert.
        public var alert: Alert
        /// The reason.
        public var reason: Reason

        /// Makes an item.
        ///
        /// - Parameters:
        ///   - alert: The alert.
        ///   - reason: The reason.
        public init(_ alert: Alert, _ reason: Reason) {
            self.alert = alert
            self.reason = reason
        }
    }

    /// The identity of this message: the same for each attempt at the same message, also after a restart.
    public var id: String
    /// The name of the channel.
    public var channel: String
    /// The cluster that it is about.
    public var cluster: String
    /// The alerts, at least one: firing alerts, the worst first, then resolved ones.
    public var items: [Item]
    /// The number of alerts of the cluster that fire for this channel, including those of this message.
    public var openCount: Int
    /// The time when it was made.
    public var time: Date
    /// The URL of the monitor's page; nil if it is unknown.
    public var externalURL: String?

    /// Makes a notification.
    ///
    /// - Parameters:
    ///   - id: The identity of this message.
    ///   - channel: The name of the channel.
    ///   - cluster: The cluster that it is about.
    ///   - items: The alerts, at least one.
    ///   - openCount: The number of alerts of the cluster that fire for this channel.
    ///   - time: The time when it was made.
    ///   - externalURL: The URL of the monitor's page.
    public init(
        id: String,
        channel: String,
        cluster: String,
        items: [Item],
        openCount: Int,
        time: Date,
        externalURL: String? = nil
    ) {
        self.id = id
        self.channel = channel
        self.cluster = cluster
        self.items = items
        self.openCount = openCount
        self.time = time
        self.externalURL = externalURL
    }

    /// The firing alerts, the worst first.
    public var firing: [Alert] { items.filter { $0.reason != .resolved }.map(\.alert) }
    /// The resolved alerts.
    public var resolved: [Alert] { items.filter { $0.reason == .resolved }.map(\.alert) }
    /// Whether it is a test of the channel.
    public var isTest: Bool { items.contains { $0.reason == .test } }
    /// The worst severity of the firing alerts, or of the resolved ones if none fires.
    public var severity: AlertSeverity {
        (firing.isEmpty ? resolved : firing).map(\.severity).max() ?? .info
    }
}
