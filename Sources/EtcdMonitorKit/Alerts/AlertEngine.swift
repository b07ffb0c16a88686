// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The alerts, the silences, and the state that each channel knows: a plain value without a clock, a file or a task.
///
/// There is no queue of messages. For each channel, the engine compares the state that the channel knows with the
/// current one. So no firing alert is lost, updates merge by themselves, and memory is bounded by the number of alerts.
struct AlertEngine: Sendable {
    let options: AlertCenter.Options
    /// The delivery settings of each channel.
    let channels: [String: AlertDelivery]
    let rules: [String: AlertRule]
    let routes: [AlertRoute]
    let inhibitions: InhibitionIndex

    /// The alerts that are pending or firing.
    var alerts: [Alert.ID: TrackedAlert] = [:]
    /// The alerts that each channel knows, until it receives their resolution.
    var notified: [String: [Alert.ID: NotifiedAlert]] = [:]
    /// The attempts to notify a channel of a new or changed alert whose arrival is unknown.
    var attempts: [String: [Alert.ID: Attempt]] = [:]
    /// The time of the last message to a channel about a cluster.
    var lastNotified: [String: [String: Date]] = [:]
    /// The resolved alerts, the oldest first.
    var history: [Alert] = []
    var silences: [Silence] = []
    /// The oldest first.
    var auditRecords: [AuditRecord] = []
    /// The number of the newest episode of any alert, which distinguishes two episodes of the same alert.
    var lastEpisode = 0
    /// The latest known time.
    var clock = Date.distantPast

    // The following properties are not saved.

    /// Counts the changes that must be saved.
    var revision = 0
    /// The identities of the alerts that are pending or firing.
    ///
    /// To compute a digest at each evaluation would take long.
    var identities: [[String: String]: Alert.ID] = [:]
    var causes = ActiveCauses()
    /// The time of the first evaluation.
    var start: Date?

    init(_ options: AlertCenter.Options, channels: [String: AlertDelivery]) {
        self.options = options
        self.channels = channels
        rules = Dictionary((options.rules + [Self.channelRule]).map { ($0.name, $0) }) { first, _ in first }
        routes = options.routes ?? [AlertRoute(to: [AlertRoute.Step(channels.keys.sorted())])]
        inhibitions = InhibitionIndex(options.inhibitions)
    }

    /// The alerts that are pending or firing, the worst first.
    var openAlerts: [Alert] { alerts.values.map(\.alert).sorted { $0.isWorse(than: $1) } }
}

// MARK: - Time

extension AlertEngine {
    /// Records the time.
    ///
    /// After the clock was set back, no recorded time is in the future.
    mutating func note(_ now: Date) {
        defer { clock = now }
        if now >= clock { return }
        revision += 1
        start = start.map { min($0, now) }
        for id in alerts.keys { alerts[id]?.forgetFuture(now) }
        for (channel, entries) in notified {
            for id in entries.keys { notified[channel]?[id]?.forgetFuture(now) }
        }
        lastNotified = lastNotified.mapValues { $0.mapValues { min($0, now) } }
    }
}

extension Date {
    /// The seconds from this date to `now`; 0 if the clock has been set back since.
    func elapsed(until now: Date) -> TimeInterval { max(0, now.timeIntervalSince(self)) }
}

extension Duration {
    /// The duration in seconds, bounded to 0 through a thousand years.
    var boundedSeconds: TimeInterval { bounded / .seconds(1) }
}

extension Alert {
    /// The order of alerts: firing ones before pending ones, then by severity, then by age.
    func isWorse(than other: Alert) -> Bool {
        if state != other.state { return state == .firing }
        if severity != other.severity { return severity > other.severity }
        if activeSince != other.activeSince { return activeSince < other.activeSince }
        if name != other.name { return name < other.name }
        return labels.sorted { $0.key < $1.key }.map(\.value)
            .lexicographicallyPrecedes(other.labels.sorted { $0.key < $1.key }.map(\.value))
    }
}
