// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An alert that is pending or firing.
struct TrackedAlert: Sendable, Codable {
    var alert: Alert
    /// The number of its current episode; 0 while it is pending.
    ///
    /// A time would not identify an episode, because the clock may be set back.
    var episode = 0
    /// The time since when its rule no longer holds.
    var goneSince: Date?
    /// Whether it was muted at the newest evaluation.
    var isMuted = false
    /// The time when it was unmuted.
    var unmutedAt: Date?

    // The following properties are not saved.

    /// Whether its rule has held since the start.
    var isSeen = false
    /// Whether the result of its rule was unknown at the newest evaluation.
    var isFrozen = false
    /// The channels that must be notified, by the routes for its severity.
    var targets: [String: AlertTarget] = [:]

    private enum CodingKeys: String, CodingKey { case alert, episode, goneSince, isMuted, unmutedAt }

    init(_ alert: Alert) { self.alert = alert }

    var isFiring: Bool { alert.state == .firing }

    mutating func forgetFuture(_ now: Date) {
        alert.activeSince = min(alert.activeSince, now)
        alert.firingSince = alert.firingSince.map { min($0, now) }
        goneSince = goneSince.map { min($0, now) }
        unmutedAt = unmutedAt.map { min($0, now) }
    }
}

/// When a channel must be notified of an alert, by the routes.
struct AlertTarget: Sendable, Hashable {
    /// How long the alert must fire before that, in seconds.
    var delay: TimeInterval
    /// The time between reminders, in seconds.
    var repeatInterval: TimeInterval
}

/// An alert as a channel knows it, until the channel receives its resolution.
struct NotifiedAlert: Sendable, Codable {
    /// The episode that the channel knows.
    var episode: Int
    /// The last severity that was sent.
    var severity: AlertSeverity
    /// All severities that were sent.
    var severities: Set<AlertSeverity> = []
    var lastNotified: Date
    /// The number of messages about this episode.
    var count = 0
    /// The alert as it was at its end; nil while it fires.
    var ended: Alert?
    /// The time when the resolution was sent, for channels that receive it repeatedly.
    var endNotifiedAt: Date?
    /// Whether it ended during the first attempt to send it, whose result is still unknown.
    var isUnconfirmed = false

    init(episode: Int, severity: AlertSeverity, at time: Date) {
        self.episode = episode
        self.severity = severity
        lastNotified = time
    }

    mutating func forgetFuture(_ now: Date) {
        lastNotified = min(lastNotified, now)
        if let end = ended?.resolvedAt, end > now { ended?.resolvedAt = now }
        endNotifiedAt = endNotifiedAt.map { min($0, now) }
    }
}

/// An attempt to notify a channel of a new alert or a new severity.
///
/// It is saved before it is made. If the monitor is killed during it, or the answer is lost, the receiver may know of
/// the alert and must receive its resolution.
struct Attempt: Sendable, Codable {
    var episode: Int
    /// Whether it has ended and may have arrived.
    var isUncertain = false
}

// MARK: - Over restarts

extension AlertEngine {
    /// The state that is saved over restarts.
    struct Saved: Sendable, Codable {
        static let version = 1

        var version = Self.version
        var clock: Date
        var lastEpisode: Int
        var alerts: [TrackedAlert]
        var notified: [String: [Alert.ID: NotifiedAlert]]
        var attempts: [String: [Alert.ID: Attempt]]
        var lastNotified: [String: [String: Date]]
        var history: [Alert]
        var silences: [Silence]
        var auditRecords: [AuditRecord]
    }

    /// The state to save.
    var saved: Saved {
        Saved(
            clock: clock,
            lastEpisode: lastEpisode,
            alerts: alerts.sorted { $0.key < $1.key }.map(\.value),
            notified: notified,
            attempts: attempts,
            lastNotified: lastNotified,
            history: history,
            silences: silences,
            auditRecords: auditRecords
        )
    }

    /// Restores the saved state; silences and audit records from before the start are kept.
    mutating func restore(_ saved: Saved) {
        clock = saved.clock
        lastEpisode = saved.lastEpisode
        history = Array(saved.history.suffix(options.historyLimit))
        let added = silences
        silences = saved.silences.filter { old in !added.contains { $0.id == old.id } } + added
        auditRecords = Array((saved.auditRecords + auditRecords).suffix(options.historyLimit))
        alerts = [:]
        identities = [:]
        for var tracked in saved.alerts where tracked.alert.state != .resolved {
            if tracked.isFiring { tracked.alert.firingSince = tracked.alert.firingSince ?? tracked.alert.activeSince }
            tracked.targets = targets(of: tracked.alert)
            let id = tracked.alert.id
            identities[tracked.alert.labels] = id
            alerts[id] = tracked
        }
        // An alert that is neither open nor known to have ended can no longer be reported.
        notified = saved.notified.filter { channels[$0.key] != nil }
            .mapValues { $0.filter { alerts[$0.key]?.episode == $0.value.episode || $0.value.ended != nil } }
        attempts = saved.attempts.filter { channels[$0.key] != nil }.mapValues { entries in
            entries.filter { alerts[$0.key]?.episode == $0.value.episode }
                .mapValues { Attempt(episode: $0.episode, isUncertain: true) }
        }
        lastNotified = saved.lastNotified.filter { channels[$0.key] != nil }
        updateCauses()
        start = nil
        revision += 1
    }

    /// Removes data that are no longer needed, so that memory is bounded.
    mutating func prune(_ now: Date) {
        for (channel, entries) in notified where entries.contains(where: { $0.value.ended != nil }) {
            let delivery = channels[channel] ?? AlertDelivery()
            for (id, entry) in entries {
                guard let end = entry.ended?.resolvedAt else { continue }
                let isOver = entry.endNotifiedAt.map {
                    $0.elapsed(until: now) >= delivery.resolvedKeepAlive.boundedSeconds
                }
                if isOver ?? (end.elapsed(until: now) > Self.longestWaitOfAnEnd) { forget(id, in: channel) }
            }
            let ends = (notified[channel] ?? [:]).filter { $0.value.ended != nil }
            if ends.count > Self.mostWaitingEnds {
                let oldest = ends.sorted { $0.value.lastNotified < $1.value.lastNotified }
                for (id, _) in oldest.prefix(ends.count - Self.mostWaitingEnds) { forget(id, in: channel) }
            }
        }
        let wait = options.groupInterval.boundedSeconds
        lastNotified = lastNotified.mapValues { $0.filter { $0.value.elapsed(until: now) < wait } }
        pruneSilences(now)
    }

    private mutating func forget(_ id: Alert.ID, in channel: String) {
        notified[channel]?[id] = nil
        revision += 1
    }

    /// How long a resolution waits for a channel that is down, in seconds.
    static let longestWaitOfAnEnd: TimeInterval = 7 * 86_400
    /// The largest number of resolutions that wait for a channel that is down.
    static let mostWaitingEnds = 10_000
}
