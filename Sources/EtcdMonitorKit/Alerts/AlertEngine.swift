// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The alerts, the silences, and what each channel has been told: a plain value without a clock, a file or a task.
///
/// There is no queue of messages. For each channel it works out how what the channel has been told differs from what it
/// should know. So nothing that fires is lost, updates merge by themselves, and memory is bounded by the number of alerts.
struct AlertEngine: Sendable {
    let options: AlertCenter.Options
    /// How each channel wants to be told.
    let channels: [String: AlertDelivery]
    let rules: [String: AlertRule]
    let routes: [AlertRoute]
    let inhibitions: InhibitionIndex

    /// The alerts that are pending or fire.
    var alerts: [Alert.ID: TrackedAlert] = [:]
    /// The alerts that each channel was told of, until it is told their end.
    var told: [String: [Alert.ID: ToldAlert]] = [:]
    /// The attempts to tell a channel of a beginning or a change of which it is not known whether they have arrived.
    var attempts: [String: [Alert.ID: Attempt]] = [:]
    /// When a channel was last told something of a cluster.
    var lastTold: [String: [String: Date]] = [:]
    /// The alerts that are over, the oldest first.
    var history: [Alert] = []
    var silences: [Silence] = []
    /// The oldest first.
    var auditRecords: [AuditRecord] = []
    /// The number of the newest beginning of an alert, which tells one from the next of the same alert.
    var lastEpisode = 0
    /// The latest time of which it knows.
    var clock = Date.distantPast

    // The following is not kept over restarts.

    /// Counts the changes that are worth being saved.
    var revision = 0
    /// The identities of the alerts that are pending or fire: a digest for each evaluation would take long.
    var identities: [[String: String]: Alert.ID] = [:]
    var causes = ActiveCauses()
    /// When the first evaluation was.
    var start: Date?

    init(_ options: AlertCenter.Options, channels: [String: AlertDelivery]) {
        self.options = options
        self.channels = channels
        rules = Dictionary((options.rules + [Self.channelRule]).map { ($0.name, $0) }) { first, _ in first }
        routes = options.routes ?? [AlertRoute(to: [AlertRoute.Step(channels.keys.sorted())])]
        inhibitions = InhibitionIndex(options.inhibitions)
    }

    /// The alerts that are pending or fire, the worst first.
    var openAlerts: [Alert] { alerts.values.map(\.alert).sorted { $0.isWorse(than: $1) } }
}

// MARK: - Time

extension AlertEngine {
    /// Notes the time; after the clock was set back, nothing lies in the future.
    mutating func note(_ now: Date) {
        defer { clock = now }
        if now >= clock { return }
        revision += 1
        start = start.map { min($0, now) }
        for id in alerts.keys { alerts[id]?.forgetFuture(now) }
        for (channel, entries) in told {
            for id in entries.keys { told[channel]?[id]?.forgetFuture(now) }
        }
        lastTold = lastTold.mapValues { $0.mapValues { min($0, now) } }
    }
}

extension Date {
    /// The seconds that have gone by until `now`; 0 if the clock was set back since.
    func elapsed(until now: Date) -> TimeInterval { max(0, now.timeIntervalSince(self)) }
}

extension Duration {
    /// The length in seconds, within 0 and a thousand years.
    var boundedSeconds: TimeInterval { bounded / .seconds(1) }
}

extension Alert {
    /// Those that fire stand before those that are pending, the severe ones first, then the old ones.
    func isWorse(than other: Alert) -> Bool {
        if state != other.state { return state == .firing }
        if severity != other.severity { return severity > other.severity }
        if activeSince != other.activeSince { return activeSince < other.activeSince }
        if name != other.name { return name < other.name }
        return labels.sorted { $0.key < $1.key }.map(\.value)
            .lexicographicallyPrecedes(other.labels.sorted { $0.key < $1.key }.map(\.value))
    }
}
