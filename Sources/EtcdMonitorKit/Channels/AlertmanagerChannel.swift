// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Keeps alerts alive in Alertmanagers through `/api/v2/alerts`, as Prometheus does.
///
/// The channel sends to all instances of an Alertmanager cluster concurrently. Alertmanager groups, silences and
/// routes, so alerts are sent at once, and again each minute. If the monitor dies, they end after four minutes.
///
/// In Alertmanager the severity is a label, and thus part of an alert's identity. When it changes, the channel ends the
/// alert with the old severity.
///
/// ```swift
/// AlertmanagerChannel(urls: [Secret("http://am-0:9093"), Secret("http://am-1:9093")]) { item, notification in
///     var content = AlertmanagerChannel.content(of: item, in: notification)
///     content.labels["team"] = "databases"
///     return content
/// }
/// ```
public struct AlertmanagerChannel: AlertChannel {
    /// The labels and texts of an alert.
    public struct Content: Sendable, Hashable {
        /// The labels: the identity of the alert.
        public var labels: [String: String]
        /// The texts.
        public var annotations: [String: String]
        /// The URL of the source of the alert.
        public var generatorURL: String?

        /// Makes a content.
        ///
        /// - Parameters:
        ///   - labels: The labels: the identity of the alert.
        ///   - annotations: The texts.
        ///   - generatorURL: The URL of the source of the alert.
        public init(labels: [String: String], annotations: [String: String] = [:], generatorURL: String? = nil) {
            self.labels = labels
            self.annotations = annotations
            self.generatorURL = generatorURL
        }
    }

    private struct PostedAlert: Encodable {
        let labels: [String: String]
        let annotations: [String: String]
        let startsAt: String
        let endsAt: String
        let generatorURL: String?
    }

    private static let keepAlive = Duration.seconds(60)

    private let receivers: [AlertReceiver]
    private let format: @Sendable (AlertNotification.Item, AlertNotification) -> Content
    /// Alerts are sent at once, and again each minute, also for a while after their end.
    public let delivery: AlertDelivery

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - urls: The URLs of all instances, such as `http://am-0:9093`.
    ///   - headers: Further headers by name, such as `Authorization`.
    ///   - options: The timeout and TLS.
    ///   - format: Makes the content of an alert of a notification; nil for ``content(of:in:)``. When the severity of an
    ///     alert has changed, it is also called for the previous alert, so that the channel can end it.
    public init(
        urls: [Secret],
        headers: [String: Secret] = [:],
        _ options: HTTPChannelOptions = HTTPChannelOptions(),
        format: (@Sendable (AlertNotification.Item, AlertNotification) -> Content)? = nil
    ) {
        receivers = urls.map { AlertReceiver($0, headers: headers, options) }
        self.format = format ?? Self.content
        delivery = AlertDelivery(
            isGrouped: false,
            sendsResolved: options.sendsResolved,
            keepAlive: Self.keepAlive,
            resolvedKeepAlive: .seconds(15 * 60)
        )
    }

    /// `alertmanager`.
    public var kind: String { "alertmanager" }

    /// Reads the secrets and the TLS files, and checks them.
    ///
    /// - Throws: The error in the settings, which is permanent.
    public func check() throws(AlertChannelError) {
        if receivers.isEmpty { throw AlertChannelError("no URL of an Alertmanager is set", isPermanent: true) }
        for receiver in receivers { try receiver.check() }
    }

    /// The default content of an alert.
    ///
    /// - Parameters:
    ///   - item: The alert, and the reason why it is sent.
    ///   - notification: The notification it belongs to.
    /// - Returns: The labels and the severity, `summary`, `description` and `runbook_url`, and the monitor's page.
    public static func content(of item: AlertNotification.Item, in notification: AlertNotification) -> Content {
        Content(
            labels: item.alert.labelsWithSeverity,
            annotations: item.alert.annotations,
            generatorURL: notification.externalURL
        )
    }

    /// Posts the alerts to all instances.
    ///
    /// One of them must accept the alerts.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The answer of each instance, and the failures of the others.
    /// - Throws: The reason why it could not be delivered.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let body = try AlertReceiver.json(notification.items.flatMap { alerts(for: $0, in: notification) })
        let results = await withTaskGroup(of: (Int, Result<String, AlertChannelError>).self) { group in
            for (index, receiver) in receivers.enumerated() {
                group.addTask {
                    do throws(AlertChannelError) {
                        return (index, .success(try await receiver.post(body, to: "/api/v2/alerts").summary))
                    } catch {
                        return (index, .failure(error))
                    }
                }
            }
            return await group.reduce(into: [Int: Result<String, AlertChannelError>]()) { $0[$1.0] = $1.1 }
        }
        return try Self.sum(of: results.sorted { $0.key < $1.key }.map(\.value))
    }

    /// One instance that accepted the alerts is enough, because the instances of a cluster do not share alerts anyway.
    private static func sum(of results: [Result<String, AlertChannelError>]) throws(AlertChannelError) -> String {
        var (answers, errors): ([String], [AlertChannelError]) = ([], [])
        for result in results {
            switch result {
            case .success(let answer): answers.append(answer)
            case .failure(let error): errors.append(error)
            }
        }
        let complaints = errors.map(\.message)
        if !answers.isEmpty {
            return (answers + complaints.map { "FAILED: \($0)" }).joined(separator: "; ")
        }
        if errors.isEmpty { throw AlertChannelError("no URL of an Alertmanager is set", isPermanent: true) }
        // An instance that does not ask to wait can be tried again sooner.
        let pauses = errors.compactMap(\.retryAfter)
        var failure = AlertChannelError(
            complaints.joined(separator: "; "),
            retryAfter: pauses.count == errors.count ? pauses.min() : nil,
            isPermanent: errors.allSatisfy(\.isPermanent)
        )
        failure.mayHaveArrived = errors.contains(where: \.mayHaveArrived)
        throw failure
    }

    // MARK: Alerts

    private func alerts(for item: AlertNotification.Item, in notification: AlertNotification) -> [PostedAlert] {
        let alert = item.alert
        // The message may have waited.
        let now = max(notification.time, Date())
        let isOver = item.reason == .resolved
        let end = alert.resolvedAt ?? notification.time
        let current = posted(item, notification, until: isOver ? end : now + 4 * (Self.keepAlive / .seconds(1)))
        // An alert that still fires has ended its old label sets before.
        if item.reason == .repeated { return [current] }
        let past = alert.pastSeverities.subtracting([alert.severity]).sorted().map { severity in
            var old = item
            old.alert.severity = severity
            return posted(old, notification, until: isOver ? end : notification.time)
        }
        return past + [current]
    }

    private func posted(
        _ item: AlertNotification.Item,
        _ notification: AlertNotification,
        until end: Date
    ) -> PostedAlert {
        let content = format(item, notification)
        let start = item.alert.firingSince ?? item.alert.activeSince
        return PostedAlert(
            labels: Self.named(content.labels),
            annotations: Self.named(content.annotations),
            startsAt: start.rfc3339,
            // Alertmanager refuses an alert that ends before it starts, together with all others.
            endsAt: max(start, end).rfc3339,
            generatorURL: content.generatorURL
        )
    }

    /// The texts, with names that every Alertmanager accepts: letters, digits and underscores, not starting with a
    /// digit.
    private static func named(_ texts: [String: String]) -> [String: String] {
        let pairs = texts.sorted { $0.key < $1.key }.map { name, text in
            let clean = String(decoding: name.utf8.map { $0.isLetterOrDigit ? $0 : UInt8(ascii: "_") }, as: UTF8.self)
            return (clean.utf8.first?.digit == nil && !clean.isEmpty ? clean : "_\(clean)", text)
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
