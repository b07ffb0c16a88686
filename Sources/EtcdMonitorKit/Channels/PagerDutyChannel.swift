// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Opens and resolves incidents of PagerDuty through its Events API v2.
///
/// Each alert is an event, and its identity is the `dedup_key` of the event, so that a repeated attempt opens no second
/// incident. A test opens an incident and resolves it at once.
///
/// ```swift
/// PagerDutyChannel(routingKey: .file("/run/secrets/pagerduty")) { item, notification in
///     var event = PagerDutyChannel.event(for: item, in: notification)
///     event.payload?.group = "databases"
///     return event
/// }
/// ```
public struct PagerDutyChannel: AlertChannel {
    /// The newest event about an alert that PagerDuty accepted.
    private struct Outcome: Sendable, Hashable {
        let action: Event.Action
        let severity: Event.Severity?
        /// The start of the alert, which distinguishes it from the next one with the same identity.
        let start: Date?

        init(_ event: Event, of alert: Alert) {
            (action, severity, start) = (event.action, event.payload?.severity, alert.firingSince)
        }
    }

    private let routingKey: Secret
    private let receiver: AlertReceiver
    private let format: @Sendable (AlertNotification.Item, AlertNotification) -> Event
    /// The accepted events of partly accepted notifications, by cluster and `dedup_key`.
    ///
    /// PagerDuty limits the events per minute. If a long notification started again each time, it would never be
    /// complete.
    private let taken = Lock<[String: [String: Outcome]]>([:])
    /// Changes of a cluster share a message.
    public let delivery: AlertDelivery

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - routingKey: The integration key of the service.
    ///   - endpoint: The URL of the Events API, such as `https://events.eu.pagerduty.com`.
    ///   - options: The timeout and TLS.
    ///   - format: Makes the event of an alert of a notification; nil for ``event(for:in:)``.
    public init(
        routingKey: Secret,
        endpoint: String = "https://events.pagerduty.com",
        _ options: HTTPChannelOptions = HTTPChannelOptions(),
        format: (@Sendable (AlertNotification.Item, AlertNotification) -> Event)? = nil
    ) {
        self.routingKey = routingKey
        receiver = AlertReceiver(Secret(endpoint), options)
        self.format = format ?? Self.event
        delivery = AlertDelivery(sendsResolved: options.sendsResolved)
    }

    /// `pagerduty`.
    public var kind: String { "pagerduty" }

    /// Reads the secrets and the TLS files, and checks them.
    ///
    /// - Throws: The error in the settings, which is permanent.
    public func check() throws(AlertChannelError) {
        _ = try readRoutingKey()
        try receiver.check()
    }

    /// Posts an event for each alert.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The answer to the last event.
    /// - Throws: The reason why it could not be delivered.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let key = try readRoutingKey()
        let events = notification.items.flatMap { item -> [(event: Event, outcome: Outcome)] in
            let event = format(item, notification)
            let events = item.reason == .test ? [event, Event(.resolve, dedupKey: event.dedupKey)] : [event]
            return events.map { ($0, Outcome($0, of: item.alert)) }
        }
        let keys = Set(events.map(\.event.dedupKey))
        let isTest = notification.isTest
        var done = isTest ? [:] : taken.withLock { $0[notification.cluster] ?? [:] }.filter { keys.contains($0.key) }
        defer { if !isTest { taken.withLock { $0[notification.cluster] = done.isEmpty ? nil : done } } }
        var refusals: [AlertChannelError] = []
        var answer = ""
        for (event, outcome) in events where done[event.dedupKey] != outcome {
            do throws(AlertChannelError) {
                answer = try await post(event, key)
                done[event.dedupKey] = outcome
            } catch {
                var error = error
                error.mayHaveArrived = error.mayHaveArrived || !done.isEmpty
                if !error.isPermanent { throw error }
                // A refused event must not block the others.
                refusals.append(error)
            }
        }
        if let refusal = refusals.first {
            var failure = AlertChannelError(
                "\(refusals.count) of \(events.count) events: \(refusal.message)",
                isPermanent: true
            )
            failure.mayHaveArrived = !done.isEmpty
            throw failure
        }
        done = [:]
        return answer
    }

    private func post(_ event: Event, _ key: String) async throws(AlertChannelError) -> String {
        let body = try Event.Envelope(event, routingKey: key).body()
        let answer = try await receiver.post(body, to: "/v2/enqueue", hiding: [key])
        // A portal in between may return 200.
        if answer.status == 202 { return answer.summary }
        throw AlertChannelError("\(answer.summary) (expected 202)")
    }

    private func readRoutingKey() throws(AlertChannelError) -> String {
        let key = try routingKey.read("the routing key")
        guard !key.isEmpty, key.utf8.allSatisfy(\.isVisible) else {
            throw AlertChannelError("the routing key is empty or has an invalid character", isPermanent: true)
        }
        return key
    }
}
