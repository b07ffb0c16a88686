// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// An engine in virtual time, with receivers that record their messages.
struct AlertBench {
    /// A subject of a rule in a cluster.
    struct Subject: Hashable {
        var rule: String
        var cluster: String
        var member: String

        init(_ rule: String, _ member: String = "", in cluster: String = "main") {
            (self.rule, self.cluster, self.member) = (rule, cluster, member)
        }

        var labels: [String: String] { member.isEmpty ? [:] : ["member": member] }
        var id: Alert.ID {
            Alert.id(of: labels.merging(["alertname": rule, "cluster": cluster]) { first, _ in first })
        }
    }

    let options: AlertCenter.Options
    let deliveries: [String: AlertDelivery]
    var clusters = ["main"]
    var engine: AlertEngine
    var now = Date(timeIntervalSince1970: 1_790_000_000)
    /// The number of the poll, which restarts begin anew.
    var poll = 0
    /// The subjects for which their rules hold.
    var held: [Subject: AlertSeverity] = [:]
    /// The rules without data, by cluster.
    var unknown: Set<Subject> = []
    var failures: [AlertEngine.ChannelFailure] = []
    var receivers: [String: AlertReceiver] = [:]
    /// The channels that accept no messages.
    var down: Set<String> = []
    /// After a failure of theirs, it is unknown whether the message has arrived.
    var losesAnswers = false
    /// Messages that could not be delivered.
    var refused: [AlertNotification] = []
    /// All changes that the engine has reported.
    var changes: [Alert] = []

    init(
        _ rules: [AlertRule] = [AlertRule("A") { _ in nil }],
        channels: [String: AlertDelivery] = ["ops": AlertDelivery()],
        _ change: (inout AlertCenter.Options) -> Void = { _ in }
    ) {
        var options = AlertCenter.Options()
        options.rules = rules
        options.inhibitions = []
        options.groupWait = .zero
        options.groupInterval = .zero
        change(&options)
        self.options = options
        deliveries = channels
        engine = AlertEngine(options, channels: channels)
        receivers = channels.mapValues { AlertReceiver(delivery: $0) }
    }

    // MARK: Time

    /// Lets time go by, in steps of five seconds, with a poll and the messages of each.
    mutating func run(_ seconds: Double, step: Double = 5) {
        var left = seconds
        while left > 0 {
            now += min(step, left)
            left -= step
            tick()
        }
    }

    mutating func tick() {
        poll += 1
        evaluate()
        for channel in deliveries.keys.sorted() { tell(channel) }
    }

    mutating func evaluate() {
        changes += engine.evaluate(sightings(), now: now)
    }

    func sightings() -> [AlertEngine.Sighting] {
        clusters.flatMap { cluster in
            options.rules.map { rule in
                let subjects = held.filter { $0.key.rule == rule.name && $0.key.cluster == cluster }
                let matches = subjects.map { subject, severity in
                    AlertRule.Match(labels: subject.labels, severity: severity, summary: "\(rule.name) holds")
                }
                let isKnown = !unknown.contains(Subject(rule.name, in: cluster))
                return AlertEngine.Sighting(
                    rule: rule.name,
                    cluster: cluster,
                    poll: poll,
                    matches: isKnown ? matches : nil
                )
            }
        } + [AlertEngine.sighting(of: failures)]
    }

    // MARK: Telling

    /// Delivers all messages that are due for a channel now.
    mutating func tell(_ channel: String) {
        var cluster: String?
        // More rounds than clusters would be an endless loop.
        for _ in 0...clusters.count + 1 {
            guard let news = engine.planAttempt(for: channel, after: cluster, now: now).message else { return }
            if down.contains(channel) {
                refused.append(news.notification)
                engine.markFailure(news, mayHaveArrived: losesAnswers)
                return
            }
            cluster = news.notification.cluster
            receivers[channel]?.receive(news.notification, now)
            engine.markDelivered(news, now: now)
        }
        Issue.record("\(channel) gets messages without an end")
    }

    /// Begins the next message to a channel.
    mutating func begin(_ channel: String = "ops") throws -> AlertMessage {
        let plan = engine.planAttempt(for: channel, now: now)
        return try #require(plan.message)
    }

    /// The alerts that are open for a channel's receiver, by their names.
    func open(_ channel: String = "ops") -> [String] {
        (receivers[channel]?.open.values.map(\.name) ?? []).sorted()
    }

    /// The messages of a receiver, as `fired A`.
    func log(_ channel: String = "ops") -> [String] { receivers[channel]?.log ?? [] }

    // MARK: Restarts

    /// The monitor ends, and another goes on with the same file.
    mutating func restart(_ options: AlertCenter.Options? = nil, channels: [String: AlertDelivery]? = nil) throws {
        let data = try AlertStateFile.data(of: engine.saved)
        engine = AlertEngine(options ?? self.options, channels: channels ?? deliveries)
        engine.restore(try AlertStateFile.state(of: data))
        poll = 0
    }

    // MARK: Alerts

    /// The alert of a subject, if it is pending or fires.
    func alert(_ subject: Subject) -> Alert? { engine.alerts[subject.id]?.alert }

    /// `P` for pending, `F` for firing, `-` for none.
    func state(_ subject: Subject) -> String {
        switch alert(subject)?.state {
        case .pending: "P"
        case .firing: "F"
        case .resolved: "R"
        case nil: "-"
        }
    }
}

/// A receiver like a person: it knows its messages, and nothing else of the monitor.
struct AlertReceiver {
    struct Open {
        var name: String
        var cluster: String
        var severity: AlertSeverity
        var firingSince: Date?
        var lastNotified: Date
    }

    let delivery: AlertDelivery
    /// The shortest time between two messages about the same state of an alert; nil if it does not matter.
    var repeatInterval: TimeInterval?
    var open: [Alert.ID: Open] = [:]
    var log: [String] = []
    var messages: [AlertNotification] = []
    /// Notifications that came again with the same identity, as after a crash.
    var duplicates = 0
    /// The contradictions in the messages.
    var problems: [String] = []
    /// Alerts that may be sent again up to a time, because the monitor crashed after it sent them.
    var mayComeAgain: [Alert.ID: Date] = [:]
    private var identities: Set<String> = []

    init(delivery: AlertDelivery) { self.delivery = delivery }

    mutating func receive(_ notification: AlertNotification, _ now: Date) {
        if !identities.insert(notification.id).inserted {
            duplicates += 1
            return
        }
        messages.append(notification)
        if notification.items.isEmpty { problems.append("a message without alerts") }
        if Set(notification.items.map(\.alert.id)).count != notification.items.count {
            problems.append("an alert twice in a message")
        }
        for item in notification.items { receive(item, now) }
    }

    private mutating func receive(_ item: AlertNotification.Item, _ now: Date) {
        let alert = item.alert
        let id = alert.id
        let entry = open[id]
        let isUncertain = mayComeAgain[id].map { now < $0 } ?? false
        log.append("\(item.reason.rawValue) \(alert.name)\(alert.labels["member"] ?? "")")
        func complain(_ text: String) {
            if !isUncertain { problems.append("\(now.timeIntervalSince1970) \(alert.name) \(alert.labels): \(text)") }
        }
        switch item.reason {
        case .fired:
            if let entry, entry.firingSince == alert.firingSince { complain("fired twice") }
            if alert.state != .firing { complain("fired, but is \(alert.state)") }
        case .changed:
            if entry == nil { complain("changed before it fired") }
            if entry?.severity == alert.severity { complain("changed from \(alert.severity) to the same") }
        case .repeated:
            if entry == nil { complain("repeated before it fired") }
            if let last = entry?.lastNotified, let repeatInterval, now.timeIntervalSince(last) < repeatInterval {
                complain("repeated after \(now.timeIntervalSince(last)) s")
            }
        case .resolved:
            if entry == nil, delivery.resolvedKeepAlive == .zero { complain("resolved before it fired") }
            if alert.state != .resolved || alert.resolvedAt == nil { complain("resolved, but is \(alert.state)") }
            if !delivery.sendsResolved { complain("resolved, which the channel does not want to hear") }
            open[id] = nil
            return
        case .test:
            complain("a test")
        }
        open[id] = Open(
            name: alert.name,
            cluster: alert.cluster,
            severity: alert.severity,
            firingSince: alert.firingSince,
            lastNotified: now
        )
    }
}
