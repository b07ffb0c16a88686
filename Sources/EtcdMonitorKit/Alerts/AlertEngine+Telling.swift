// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A notification, and the beginnings of its alerts, by which the engine knows them again.
struct AlertNews: Sendable, Hashable {
    var notification: AlertNotification
    var episodes: [Alert.ID: Int]

    /// The alerts of which the channel learns something that it may know or not if the attempt fails.
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
        /// To be told now; nil for nothing.
        var news: AlertNews?
        /// When there is something to tell if nothing changes; nil if nothing is known to come.
        var next: Date?
    }

    /// Something that a channel may be told about an alert.
    private struct Candidate {
        var id: Alert.ID
        var alert: Alert
        var reason: AlertNotification.Reason
        var episode: Int
        /// How many messages the channel has got about this episode.
        var count: Int
        /// From then on it may be a part of a message.
        var notBefore: Date
        /// From then on it is worth a message.
        var due: Date
        /// It does not wait for the group interval.
        var isUrgent = false
    }

    /// Works out the next message to a channel.
    ///
    /// - Parameters:
    ///   - channel: The name of the channel.
    ///   - cluster: The cluster of the newest attempt, after which the others have their turn.
    ///   - now: The time.
    /// - Returns: The message, if there is one.
    func plan(for channel: String, after cluster: String? = nil, now: Date) -> Plan {
        guard let delivery = channels[channel] else { return Plan() }
        var groups: [String: (due: Date, candidates: [Candidate])] = [:]
        for candidate in candidates(for: channel, delivery, now) {
            let name = candidate.alert.cluster
            var due = candidate.due
            if delivery.isGrouped, !candidate.isUrgent, let last = lastTold[channel]?[name] {
                due = max(due, last + options.groupInterval.boundedSeconds)
            }
            let earliest = min(due, groups[name]?.due ?? due)
            groups[name, default: (due, [])].due = earliest
            groups[name]?.candidates.append(candidate)
        }
        // The clusters take turns, so that one whose messages are refused does not hold up the others.
        let ready = groups.filter { $0.value.due <= now }.keys.sorted()
        guard let turn = ready.first(where: { $0 > cluster ?? "" }) ?? ready.first, let group = groups[turn] else {
            return Plan(next: groups.values.map(\.due).min())
        }
        let items = group.candidates.filter { $0.notBefore <= now }
        return Plan(news: news(of: items, for: channel, turn, now), next: now)
    }

    /// The number of alerts of which a channel has not been told what it should know.
    func waitingAlerts(for channel: String, now: Date) -> Int {
        guard let delivery = channels[channel] else { return 0 }
        let untold = candidates(for: channel, delivery, now).filter { candidate in
            let isEndAgain = candidate.reason == .resolved && told[channel]?[candidate.id]?.endToldAt != nil
            return candidate.reason != .repeated && !isEndAgain && candidate.notBefore <= now
        }
        return Set(untold.map(\.id)).count
    }

    /// The number of alerts that a channel has been told of and that are not over.
    func openAlerts(for channel: String) -> Int { (told[channel] ?? [:]).values.count { $0.ended == nil } }

    // MARK: Candidates

    private func candidates(for channel: String, _ delivery: AlertDelivery, _ now: Date) -> [Candidate] {
        let entries = told[channel] ?? [:]
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
            // A sign of life for another system is sent also while people are not told.
            if delivery.keepAlive == nil || candidate.reason == .fired, candidate.notBefore <= now {
                let current = mutes ?? self.mutes(at: now)
                mutes = current
                if reasonForSilence(of: tracked.alert, id, current) != nil { continue }
            }
            candidates.append(candidate)
        }
        for (id, entry) in entries {
            // If the channel may know of a new beginning, the end of the old one would be taken for the end of that.
            guard let alert = entry.ended, attempts[channel]?[id] == nil else { continue }
            var due = Date.distantPast
            if entry.endToldAt != nil {
                guard let keepAlive = delivery.keepAlive else { continue }
                due = entry.lastTold + keepAlive.boundedSeconds
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

    /// An alert that the channel has not been told of.
    private func beginning(
        of id: Alert.ID,
        _ tracked: TrackedAlert,
        _ old: ToldAlert?,
        for channel: String,
        _ delivery: AlertDelivery
    ) -> Candidate? {
        // After a restart, nobody is told what may be over.
        guard tracked.isSeen, !tracked.isMuted, let target = tracked.targets[channel] else { return nil }
        let wait = options.groupWait.boundedSeconds
        let time = (tracked.alert.firingSince ?? tracked.alert.activeSince) + target.delay
        // Whether it outlasts its cause is not known at once.
        let notBefore = max(time, tracked.unmutedAt.map { $0 + wait } ?? time)
        return Candidate(
            id: id,
            alert: tracked.alert,
            reason: .fired,
            episode: tracked.episode,
            count: 0,
            notBefore: notBefore,
            due: delivery.isGrouped ? max(notBefore, time + wait) : notBefore,
            // One that comes again and again is not new.
            isUrgent: tracked.alert.severity == .critical && old == nil
        )
    }

    /// An alert that the channel has been told of.
    private func update(
        of id: Alert.ID,
        _ tracked: TrackedAlert,
        _ entry: ToldAlert,
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
        // People are reminded only of what is known to go on.
        if interval == nil, tracked.isSeen, !tracked.isFrozen { interval = tracked.targets[channel]?.repeatInterval }
        guard let interval else { return nil }
        candidate.notBefore = entry.lastTold + interval
        candidate.due = candidate.notBefore
        return candidate
    }

    // MARK: Messages

    private func news(
        of candidates: [Candidate],
        for channel: String,
        _ cluster: String,
        _ now: Date
    ) -> AlertNews {
        // Of an alert that has ended and fires again, the new beginning is told.
        let fired = Set(candidates.lazy.filter { $0.reason == .fired }.map(\.id))
        let told = candidates.filter { $0.reason != .resolved || !fired.contains($0.id) }
            .sorted { first, second in
                if (first.reason == .resolved) != (second.reason == .resolved) { return second.reason == .resolved }
                return first.alert.isWorse(than: second.alert)
            }
        let sum = SHA256()
        sum.update(Array("\(channel.utf8.count) \(channel)".utf8)[...])
        for item in told.sorted(by: { ($0.id, $0.reason.rawValue) < ($1.id, $1.reason.rawValue) }) {
            let words = [item.reason.rawValue, "\(item.episode)", "\(item.count)", item.alert.severity.rawValue]
            sum.update(Array("\(item.id) \(words.joined(separator: " "))\n".utf8)[...])
        }
        let isOpen = { (entry: (key: Alert.ID, value: ToldAlert)) in
            entry.value.ended == nil && self.alerts[entry.key]?.alert.cluster == cluster
        }
        let open = Set((self.told[channel] ?? [:]).filter(isOpen).keys)
        let firing = told.lazy.filter { $0.reason != .resolved }.map(\.id)
        return AlertNews(
            notification: AlertNotification(
                id: (sum.finish() ?? []).hexadecimal,
                channel: channel,
                cluster: cluster,
                items: told.map { AlertNotification.Item($0.alert, $0.reason) },
                openCount: open.union(firing).count,
                time: now,
                externalURL: options.externalURL
            ),
            episodes: Dictionary(told.map { ($0.id, $0.episode) }) { first, _ in first }
        )
    }

    /// Works out the next message to a channel as ``plan(for:after:now:)`` does, and notes that it is about to be sent.
    ///
    /// Both are one step: an alert that ends during the attempt is told to be over only if the attempt was noted before.
    /// The note has to be saved before the message is sent.
    mutating func planAttempt(for channel: String, after cluster: String? = nil, now: Date) -> Plan {
        let plan = plan(for: channel, after: cluster, now: now)
        if let news = plan.news { markAttempt(news) }
        return plan
    }

    private mutating func markAttempt(_ news: AlertNews) {
        for (id, episode) in news.uncertainties where attempts[news.notification.channel]?[id]?.episode != episode {
            attempts[news.notification.channel, default: [:]][id] = Attempt(episode: episode)
            revision += 1
        }
    }

    /// Notes that a channel could not be told, or perhaps has been.
    mutating func markFailure(_ news: AlertNews, mayHaveArrived: Bool) {
        let channel = news.notification.channel
        revision += 1
        for (id, episode) in news.uncertainties {
            if let attempt = attempts[channel]?[id], attempt.episode == episode, !attempt.isUncertain {
                attempts[channel]?[id] = mayHaveArrived ? Attempt(episode: episode, isUncertain: true) : nil
            }
            if let entry = told[channel]?[id], entry.episode == episode, entry.isUnconfirmed {
                told[channel]?[id]?.isUnconfirmed = false
                if !mayHaveArrived { told[channel]?[id] = nil }
            }
        }
    }

    /// Notes that a channel has been told.
    mutating func markDelivered(_ news: AlertNews, now: Date) {
        let channel = news.notification.channel
        guard let delivery = channels[channel] else { return }
        lastTold[channel, default: [:]][news.notification.cluster] = now
        revision += 1
        for item in news.notification.items {
            let id = item.alert.id
            guard let episode = news.episodes[id] else { continue }
            if item.reason == .resolved {
                markEnd(of: id, episode, in: channel, delivery, now)
                continue
            }
            let old = told[channel]?[id].flatMap { $0.episode == episode ? $0 : nil }
            var entry = old ?? ToldAlert(episode: episode, severity: item.alert.severity, at: now)
            entry.severity = item.alert.severity
            entry.severities.insert(item.alert.severity)
            entry.lastTold = now
            entry.count &+= 1
            entry.isUnconfirmed = false
            if attempts[channel]?[id]?.episode == episode { attempts[channel]?[id] = nil }
            // It may be over by now, for a channel that does not want to hear of it.
            let isKnown = entry.ended != nil || alerts[id]?.episode == episode
            told[channel, default: [:]][id] = isKnown ? entry : nil
        }
    }

    private mutating func markEnd(
        of id: Alert.ID,
        _ episode: Int,
        in channel: String,
        _ delivery: AlertDelivery,
        _ now: Date
    ) {
        guard var entry = told[channel]?[id], entry.episode == episode, entry.ended != nil else { return }
        let endToldAt = entry.endToldAt ?? now
        if endToldAt.elapsed(until: now) >= delivery.resolvedKeepAlive.boundedSeconds {
            told[channel]?[id] = nil
            return
        }
        entry.endToldAt = endToldAt
        entry.lastTold = now
        entry.count &+= 1
        told[channel]?[id] = entry
    }

    // MARK: Routes

    /// The channels that are to be told about an alert.
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
