// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A notification with the episodes of its alerts, by which the engine identifies them.
struct AlertMessage: Sendable, Hashable {
    var notification: AlertNotification
    var episodes: [Alert.ID: Int]

    /// The new or changed alerts of the message.
    ///
    /// If the attempt fails, the channel may or may not know of them.
    var uncertainties: [(id: Alert.ID, episode: Int)] {
        notification.items.filter { $0.reason == .fired || $0.reason == .changed }.compactMap { item in
            let id = item.alert.id
            return episodes[id].map { (id, $0) }
        }
    }
}

extension AlertEngine {
    /// The next steps of a channel.
    struct Plan: Sendable {
        /// The message to send now; nil for none.
        var message: AlertMessage?
        /// The time of the next message if nothing changes; nil if none is expected.
        var next: Date?
    }

    /// A part of a message about one alert.
    private struct Candidate {
        var id: Alert.ID
        var alert: Alert
        var reason: AlertNotification.Reason
        var episode: Int
        /// The number of messages about this episode.
        var count: Int
        /// The time from which it may be part of a message.
        var notBefore: Date
        /// The time from which it causes a message.
        var due: Date
        /// Whether it ignores the group interval.
        var isUrgent = false
    }

    /// Determines the next message to a channel.
    ///
    /// - Parameters:
    ///   - channel: The name of the channel.
    ///   - cluster: The cluster of the newest attempt; the others come first.
    ///   - now: The time.
    /// - Returns: The message, if there is one, and the time of the next one.
    func plan(for channel: String, after cluster: String? = nil, now: Date) -> Plan {
        guard let delivery = channels[channel] else { return Plan() }
        var groups: [String: (due: Date, candidates: [Candidate])] = [:]
        for candidate in candidates(for: channel, delivery, now) {
            let name = candidate.alert.cluster
            var due = candidate.due
            if delivery.isGrouped, !candidate.isUrgent, let last = lastNotified[channel]?[name] {
                due = max(due, last + options.groupInterval.boundedSeconds)
            }
            let earliest = min(due, groups[name]?.due ?? due)
            groups[name, default: (due, [])].due = earliest
            groups[name]?.candidates.append(candidate)
        }
        // The clusters take turns, so that a cluster with refused messages does not delay the others.
        let ready = groups.filter { $0.value.due <= now }.keys.sorted()
        guard let turn = ready.first(where: { $0 > cluster ?? "" }) ?? ready.first, let group = groups[turn] else {
            return Plan(next: groups.values.map(\.due).min())
        }
        let items = group.candidates.filter { $0.notBefore <= now }
        return Plan(message: message(of: items, for: channel, turn, now), next: now)
    }

    /// The number of alerts whose current state a channel has not received.
    func waitingAlerts(for channel: String, now: Date) -> Int {
        guard let delivery = channels[channel] else { return 0 }
        let waiting = candidates(for: channel, delivery, now).filter { candidate in
            let isEndAgain = candidate.reason == .resolved && notified[channel]?[candidate.id]?.endNotifiedAt != nil
            return candidate.reason != .repeated && !isEndAgain && candidate.notBefore <= now
        }
        return Set(waiting.map(\.id)).count
    }

    /// The number of open alerts that a channel has received.
    func openAlerts(for channel: String) -> Int { (notified[channel] ?? [:]).values.count { $0.ended == nil } }

    // MARK: Candidates

    private func candidates(for channel: String, _ delivery: AlertDelivery, _ now: Date) -> [Candidate] {
        let entries = notified[channel] ?? [:]
        var candidates: [Candidate] = []
        var mutes: Mutes?
        for (id, tracked) in alerts where tracked.isFiring {
            let candidate =
                if let entry = entries[id], entry.episode == tracked.episode {
                    update(of: id, tracked, entry, for: channel, delivery)
                } else {
                    beginning(of: id, tracked, entries[id], for: channel, delivery)
                }
            guard let candidate else { continue }
            // The reminder of another system is sent even while people are not notified.
            if delivery.keepAlive == nil || candidate.reason == .fired, candidate.notBefore <= now {
                let current = mutes ?? self.mutes(at: now)
                mutes = current
                if reasonForSilence(of: tracked.alert, id, current) != nil { continue }
            }
            candidates.append(candidate)
        }
        for (id, entry) in entries {
            // If the channel may know of a new episode, it would take the end of the old one for the end of the new
            // one.
            guard let alert = entry.ended, attempts[channel]?[id] == nil else { continue }
            var due = Date.distantPast
            if entry.endNotifiedAt != nil {
                guard let keepAlive = delivery.keepAlive else { continue }
                due = entry.lastNotified + keepAlive.boundedSeconds
            }
            candidates.append(
                Candidate(
                    id: id,
                    alert: alert,
                    reason: .resolved,
                    episode: entry.episode,
                    count: entry.count,
                    notBefore: due,
                    due: due
                )
            )
        }
        return candidates
    }

    /// An alert that the channel does not know yet.
    private func beginning(
        of id: Alert.ID,
        _ tracked: TrackedAlert,
        _ old: NotifiedAlert?,
        for channel: String,
        _ delivery: AlertDelivery
    ) -> Candidate? {
        // After a restart, no alert is sent that may have ended.
        guard tracked.isSeen, !tracked.isMuted, let target = tracked.targets[channel] else { return nil }
        let wait = options.groupWait.boundedSeconds
        let time = (tracked.alert.firingSince ?? tracked.alert.activeSince) + target.delay
        // Wait, because it is not yet known whether the alert outlasts its cause.
        let notBefore = max(time, tracked.unmutedAt.map { $0 + wait } ?? time)
        return Candidate(
            id: id,
            alert: tracked.alert,
            reason: .fired,
            episode: tracked.episode,
            count: 0,
            notBefore: notBefore,
            due: delivery.isGrouped ? max(notBefore, time + wait) : notBefore,
            // An alert that fires again and again is not urgent.
            isUrgent: tracked.alert.severity == .critical && old == nil
        )
    }

    /// An alert that the channel already knows.
    private func update(
        of id: Alert.ID,
        _ tracked: TrackedAlert,
        _ entry: NotifiedAlert,
        for channel: String,
        _ delivery: AlertDelivery
    ) -> Candidate? {
        let isMuted = tracked.isMuted && delivery.keepAlive == nil
        if isMuted { return nil }
        var candidate = Candidate(
            id: id,
            alert: tracked.alert,
            reason: .changed,
            episode: entry.episode,
            count: entry.count,
            notBefore: .distantPast,
            due: .distantPast
        )
        if tracked.alert.severity != entry.severity || attempts[channel]?[id]?.isUncertain == true {
            candidate.isUrgent = tracked.alert.severity == .critical && !entry.severities.contains(.critical)
            return candidate
        }
        candidate.reason = .repeated
        var interval = delivery.keepAlive?.boundedSeconds
        // People are reminded only of alerts that certainly still fire.
        if interval == nil, tracked.isSeen, !tracked.isFrozen { interval = tracked.targets[channel]?.repeatInterval }
        guard let interval else { return nil }
        candidate.notBefore = entry.lastNotified + interval
        candidate.due = candidate.notBefore
        return candidate
    }

    // MARK: Messages

    private func message(
        of candidates: [Candidate],
        for channel: String,
        _ cluster: String,
        _ now: Date
    ) -> AlertMessage {
        // If an alert has ended and fires again, only the new episode is sent.
        let fired = Set(candidates.lazy.filter { $0.reason == .fired }.map(\.id))
        let items = candidates.filter { $0.reason != .resolved || !fired.contains($0.id) }
            .sorted { first, second in
                if (first.reason == .resolved) != (second.reason == .resolved) { return second.reason == .resolved }
                return first.alert.isWorse(than: second.alert)
            }
        let sum = SHA256()
        sum.update(Array("\(channel.utf8.count) \(channel)".utf8)[...])
        for item in items.sorted(by: { ($0.id, $0.reason.rawValue) < ($1.id, $1.reason.rawValue) }) {
            let words = [item.reason.rawValue, "\(item.episode)", "\(item.count)", item.alert.severity.rawValue]
            sum.update(Array("\(item.id) \(words.joined(separator: " "))\n".utf8)[...])
        }
        let isOpen = { (entry: (key: Alert.ID, value: NotifiedAlert)) in
            entry.value.ended == nil && self.alerts[entry.key]?.alert.cluster == cluster
        }
        let open = Set((notified[channel] ?? [:]).filter(isOpen).keys)
        let firing = items.lazy.filter { $0.reason != .resolved }.map(\.id)
        return AlertMessage(
            notification: AlertNotification(
                id: (sum.finish() ?? []).hexadecimal,
                channel: channel,
                cluster: cluster,
                items: items.map { AlertNotification.Item($0.alert, $0.reason) },
                openCount: open.union(firing).count,
                time: now,
                externalURL: options.externalURL
            ),
            episodes: Dictionary(items.map { ($0.id, $0.episode) }) { first, _ in first }
        )
    }

    /// Determines the next message to a channel like ``plan(for:after:now:)``, and records that it is about to be sent.
    ///
    /// Both are one step: if an alert ends during the attempt, its resolution is sent only if the attempt was recorded
    /// before. Save the state before you send the message.
    mutating func planAttempt(for channel: String, after cluster: String? = nil, now: Date) -> Plan {
        let plan = plan(for: channel, after: cluster, now: now)
        if let message = plan.message { markAttempt(message) }
        return plan
    }

    private mutating func markAttempt(_ message: AlertMessage) {
        for (id, episode) in message.uncertainties where attempts[message.notification.channel]?[id]?.episode != episode
        {
            attempts[message.notification.channel, default: [:]][id] = Attempt(episode: episode)
            revision += 1
        }
    }

    /// Records that an attempt failed, or may have arrived.
    mutating func markFailure(_ message: AlertMessage, mayHaveArrived: Bool) {
        let channel = message.notification.channel
        revision += 1
        for (id, episode) in message.uncertainties {
            if let attempt = attempts[channel]?[id], attempt.episode == episode, !attempt.isUncertain {
                attempts[channel]?[id] = mayHaveArrived ? Attempt(episode: episode, isUncertain: true) : nil
            }
            if let entry = notified[channel]?[id], entry.episode == episode, entry.isUnconfirmed {
                notified[channel]?[id]?.isUnconfirmed = false
                if !mayHaveArrived { notified[channel]?[id] = nil }
            }
        }
    }

    /// Records that a message was delivered.
    mutating func markDelivered(_ message: AlertMessage, now: Date) {
        let channel = message.notification.channel
        guard let delivery = channels[channel] else { return }
        lastNotified[channel, default: [:]][message.notification.cluster] = now
        revision += 1
        for item in message.notification.items {
            let id = item.alert.id
            guard let episode = message.episodes[id] else { continue }
            if item.reason == .resolved {
                markEnd(of: id, episode, in: channel, delivery, now)
                continue
            }
            let old = notified[channel]?[id].flatMap { $0.episode == episode ? $0 : nil }
            var entry = old ?? NotifiedAlert(episode: episode, severity: item.alert.severity, at: now)
            entry.severity = item.alert.severity
            entry.severities.insert(item.alert.severity)
            entry.lastNotified = now
            entry.count &+= 1
            entry.isUnconfirmed = false
            if attempts[channel]?[id]?.episode == episode { attempts[channel]?[id] = nil }
            // The alert may have ended meanwhile, for a channel that wants no resolutions.
            let isKnown = entry.ended != nil || alerts[id]?.episode == episode
            notified[channel, default: [:]][id] = isKnown ? entry : nil
        }
    }

    private mutating func markEnd(
        of id: Alert.ID,
        _ episode: Int,
        in channel: String,
        _ delivery: AlertDelivery,
        _ now: Date
    ) {
        guard var entry = notified[channel]?[id], entry.episode == episode, entry.ended != nil else { return }
        let endNotifiedAt = entry.endNotifiedAt ?? now
        if endNotifiedAt.elapsed(until: now) >= delivery.resolvedKeepAlive.boundedSeconds {
            notified[channel]?[id] = nil
            return
        }
        entry.endNotifiedAt = endNotifiedAt
        entry.lastNotified = now
        entry.count &+= 1
        notified[channel]?[id] = entry
    }

    // MARK: Routes

    /// The channels that must be notified of an alert.
    func targets(of alert: Alert) -> [String: AlertTarget] {
        var targets: [String: AlertTarget] = [:]
        for route in routes where route.matches(alert) {
            let interval = (route.repeatInterval ?? options.repeatInterval).boundedSeconds
            for step in route.steps {
                for channel in step.channels where !isAboutItself(alert, channel) {
                    var target = AlertTarget(delay: step.delay.boundedSeconds, repeatInterval: interval)
                    if let other = targets[channel] {
                        target.delay = min(target.delay, other.delay)
                        target.repeatInterval = min(target.repeatInterval, other.repeatInterval)
                    }
                    targets[channel] = target
                }
            }
            if !route.continues { break }
        }
        return targets
    }
}
