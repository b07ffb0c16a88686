// SPDX-License-Identifier: Apache-2.0

import Foundation

/// An alert that is pending or fires.
struct TrackedAlert: Sendable, Codable {
    var alert: Alert
    /// The number of its beginning; 0 while it is pending.
    ///
    /// Times do not serve for it, because the clock may be set back.
    var episode = 0
    /// Since when its rule has not held any more.
    var goneSince: Date?
    /// It was muted at the newest evaluation.
    var isMuted = false
    /// When it ceased to be muted.
    var unmutedAt: Date?

    // The following is not kept over restarts.

    /// Its rule has held since the start.
    var isSeen = false
    /// Whether its rule holds could not be told at the newest evaluation.
    var isFrozen = false
    /// The channels that are to be told, by the routes for its severity.
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

/// When a channel is to be told about an alert, by the routes.
struct AlertTarget: Sendable, Hashable {
    /// How long the alert has to fire before, in seconds.
    var delay: TimeInterval
    /// How often the channel is reminded, in seconds.
    var repeatInterval: TimeInterval
}

/// An alert as a channel was told of it, until it is told the end.
struct ToldAlert: Sendable, Codable {
    /// The beginning of the alert that it has been told of.
    var episode: Int
    /// The severity that it was told last.
    var severity: AlertSeverity
    /// All severities that it has been told.
    var severities: Set<AlertSeverity> = []
    var lastTold: Date
    /// How many messages it has got about this episode.
    var count = 0
    /// The alert as it was in the end; nil while it fires.
    var ended: Alert?
    /// When it was told the end, for channels that go on hearing of it.
    var endToldAt: Date?
    /// It ended during the first attempt to tell it, of which it is not known yet whether it fails.
    var isUnconfirmed = false

    init(episode: Int, severity: AlertSeverity, at time: Date) {
        self.episode = episode
        self.severity = severity
        lastTold = time
    }

    mutating func forgetFuture(_ now: Date) {
        lastTold = min(lastTold, now)
        if let end = ended?.resolvedAt, end > now { ended?.resolvedAt = now }
        endToldAt = endToldAt.map { min($0, now) }
    }
}

/// An attempt to tell a channel of the beginning of an alert, or of its new severity.
///
/// It is saved before it is made: if the monitor is killed then, or the answer is lost, the other side may know of the
/// alert, and has to be told its end.
struct Attempt: Sendable, Codable {
    var episode: Int
    /// It is over, and may have arrived.
    var isUncertain = false
}

// MARK: - Over restarts

extension AlertEngine {
    /// The state that is kept over restarts.
    struct Saved: Sendable, Codable {
        static let version = 1

        var version = Self.version
        var clock: Date
        var lastEpisode: Int
        var alerts: [TrackedAlert]
        var told: [String: [Alert.ID: ToldAlert]]
        var attempts: [String: [Alert.ID: Attempt]]
        var lastTold: [String: [String: Date]]
        var history: [Alert]
        var silences: [Silence]
        var auditRecords: [AuditRecord]
    }

    /// The state that is to be kept over restarts.
    var saved: Saved {
        Saved(
            clock: clock,
            lastEpisode: lastEpisode,
            alerts: alerts.sorted { $0.key < $1.key }.map(\.value),
            told: told,
            attempts: attempts,
            lastTold: lastTold,
            history: history,
            silences: silences,
            auditRecords: auditRecords
        )
    }

    /// Goes on with what was saved; silences and audit records from before the start stay.
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
        // An alert that is neither open nor known to be over cannot be told any more.
        told = saved.told.filter { channels[$0.key] != nil }
            .mapValues { $0.filter { alerts[$0.key]?.episode == $0.value.episode || $0.value.ended != nil } }
        attempts = saved.attempts.filter { channels[$0.key] != nil }.mapValues { entries in
            entries.filter { alerts[$0.key]?.episode == $0.value.episode }
                .mapValues { Attempt(episode: $0.episode, isUncertain: true) }
        }
        lastTold = saved.lastTold.filter { channels[$0.key] != nil }
        updateCauses()
        start = nil
        revision += 1
    }

    /// Forgets what nobody needs any more, so that memory is bounded.
    mutating func prune(_ now: Date) {
        for (channel, entries) in told where entries.contains(where: { $0.value.ended != nil }) {
            let delivery = channels[channel] ?? AlertDelivery()
            for (id, entry) in entries {
                guard let end = entry.ended?.resolvedAt else { continue }
                let isOver = entry.endToldAt.map { $0.elapsed(until: now) >= delivery.resolvedKeepAlive.boundedSeconds }
                if isOver ?? (end.elapsed(until: now) > Self.longestWaitOfAnEnd) { forget(id, in: channel) }
            }
            let ends = (told[channel] ?? [:]).filter { $0.value.ended != nil }
            if ends.count > Self.mostWaitingEnds {
                let oldest = ends.sorted { $0.value.lastTold < $1.value.lastTold }
                for (id, _) in oldest.prefix(ends.count - Self.mostWaitingEnds) { forget(id, in: channel) }
            }
        }
        let wait = options.groupInterval.boundedSeconds
        lastTold = lastTold.mapValues { $0.filter { $0.value.elapsed(until: now) < wait } }
        pruneSilences(now)
    }

    private mutating func forget(_ id: Alert.ID, in channel: String) {
        told[channel]?[id] = nil
        revision += 1
    }

    /// The seconds for which the end of an alert waits for a channel that is down.
    static let longestWaitOfAnEnd: TimeInterval = 7 * 86_400
    /// The ends that wait for a channel that is down, at most.
    static let mostWaitingEnds = 10_000
}
