// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Opens and resolves incidents of PagerDuty, by its Events API v2.
///
/// Each alert is an event, and its identity is the event's `dedup_key`, so that an attempt that is made twice opens no
/// second incident. A trial opens an incident and resolves it at once.
///
/// ```swift
/// PagerDutyChannel(routingKey: .file("/run/secrets/pagerduty")) { item, notification in
///     var event = PagerDutyChannel.event(for: item, in: notification)
///     event.payload?.group = "databases"
///     return event
/// }
/// ```
public struct PagerDutyChannel: AlertChannel {
    /// The newest event about an alert that PagerDuty took.
    private struct Outcome: Sendable, Hashable {
        let action: Event.Action
        let severity: Event.Severity?
        /// The beginning of the alert, which tells it from the next one of the same identity.
        let start: Date?

        init(_ event: Event, of alert: Alert) {
            (action, severity, start) = (event.action, event.payload?.severity, alert.firingSince)
        }
    }

    private let routingKey: Secret
    private let receiver: AlertReceiver
    private let format: @Sendable (AlertNotification.Item, AlertNotification) -> Event
    /// The events that were taken of notifications that were not taken as a whole, by cluster and `dedup_key`.
    ///
    /// PagerDuty limits the events of a minute: a long notification would never end if it began anew each time.
    private let taken = Lock<[String: [String: Outcome]]>([:])
    /// News of a cluster are told together.
    public let delivery: AlertDelivery

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - routingKey: The integration key of the service.
    ///   - endpoint: Where the Events API is, such as `https://events.eu.pagerduty.com`.
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

    /// Reads the secrets and the files for TLS, and looks for mistakes in them.
    ///
    /// - Throws: The mistake, which is permanent.
    public func check() throws(AlertChannelError) {
        _ = try readRoutingKey()
        try receiver.check()
    }

    /// Posts an event for each alert.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: The answer to the last event.
    /// - Throws: Why it could not be delivered.
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
                // One event that is refused must not keep the others back.
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
        // A portal on the way may say 200.
        if answer.status == 202 { return answer.summary }
        throw AlertChannelError("\(answer.summary) (expected 202)")
    }

    private func readRoutingKey() throws(AlertChannelError) -> String {
        let key = try routingKey.read("the routing key")
        guard !key.isEmpty, key.utf8.allSatisfy(\.isVisible) else {
            throw AlertChannelError("the routing key is empty or has a character that no key has", isPermanent: true)
        }
        return key
    }
}
