// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// Something to tell a channel: the news about the alerts of one cluster.
public struct AlertNotification: Sendable, Hashable {
    /// Why an alert is told.
    public enum Reason: String, Sendable, Hashable, Codable, CaseIterable {
        /// It began to fire, or its time has come in an escalation.
        case fired
        /// Its severity has changed.
        case changed
        /// It goes on.
        case repeated
        /// It is over.
        case resolved
        /// It is no alert, but a trial of the channel.
        case test
    }

    /// An alert, and why it is told.
    public struct Item: Sendable, Hashable {
        /// The alert.
        public var alert: Alert
        /// Why it is told.
        public var reason: Reason

        /// Makes an item.
        ///
        /// - Parameters:
        ///   - alert: The alert.
        ///   - reason: Why it is told.
        public init(_ alert: Alert, _ reason: Reason) {
            self.alert = alert
            self.reason = reason
        }
    }

    /// The identity of this message: the same in each attempt to deliver the same news, also after a restart.
    public var id: String
    /// The name of the channel.
    public var channel: String
    /// The cluster that it is about.
    public var cluster: String
    /// The alerts, at least one: those that fire, the worst first, and then those that are over.
    public var items: [Item]
    /// How many alerts of the cluster fire for this channel, with those of this message.
    public var openCount: Int
    /// When it was made.
    public var time: Date
    /// Where the monitor's page is; nil if that is not known.
    public var externalURL: String?

    /// Makes a notification.
    ///
    /// - Parameters:
    ///   - id: The identity of this message.
    ///   - channel: The name of the channel.
    ///   - cluster: The cluster that it is about.
    ///   - items: The alerts, at least one.
    ///   - openCount: How many alerts of the cluster fire for this channel.
    ///   - time: When it was made.
    ///   - externalURL: Where the monitor's page is.
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

    /// The alerts that fire, the worst first.
    public var firing: [Alert] { items.filter { $0.reason != .resolved }.map(\.alert) }
    /// The alerts that are over.
    public var resolved: [Alert] { items.filter { $0.reason == .resolved }.map(\.alert) }
    /// It is a trial of the channel.
    public var isTest: Bool { items.contains { $0.reason == .test } }
    /// The worst severity of the alerts that fire, or of those that are over if none does.
    public var severity: AlertSeverity {
        (firing.isEmpty ? resolved : firing).map(\.severity).max() ?? .info
    }
}
