// SPDX-License-Identifier: Apache-2.0

import Foundation

extension AlertEngine {
    /// The subjects for which a rule holds in one cluster; nil if that is unknown.
    struct Sighting: Sendable {
        var rule: String
        var cluster: String
        /// The number of the cluster's poll.
        var poll: Int
        var matches: [AlertRule.Match]?
    }

    /// The number of polls after which a new monitor knows as much as the previous one.
    ///
    /// Findings take a few polls.
    static let pollsOfGrace = 5
    /// The largest number of alerts of one rule in one cluster; the worst are kept.
    static let mostMatches = 1000

    /// The longest label and the longest other text, in Unicode scalars.
    ///
    /// Members may have names of any length.
    static let longestLabel = 1000
    static let longestText = 10_000

    /// Evaluates the rules.
    static func sightings(of rules: [AlertRule], in snapshots: [MonitorSnapshot]) -> [Sighting] {
        snapshots.flatMap { snapshot in
            rules.map { rule in
                Sighting(
                    rule: rule.name,
                    cluster: snapshot.cluster,
                    poll: snapshot.poll,
                    matches: rule.matches(snapshot)
                )
            }
        }
    }

    /// Performs one evaluation.
    ///
    /// - Parameters:
    ///   - sightings: The matches of all rules for all clusters. Alerts of other rules or clusters are resolved.
    ///   - now: The time.
    /// - Returns: The alerts that became pending, began to fire, changed their severity, or were resolved.
    mutating func evaluate(_ sightings: [Sighting], now: Date) -> [Alert] {
        note(now)
        let start = start ?? now
        self.start = start
        var round = Round(now: now, isGraceOver: start.elapsed(until: now) >= options.restartGrace.boundedSeconds)
        for sighting in sightings {
            guard let rule = rules[sighting.rule] else { continue }
            let source = Source(rule: sighting.rule, cluster: sighting.cluster)
            guard let matches = sighting.matches else {
                round.polls[source] = 0
                round.unknown.insert(source)
                continue
            }
            round.polls[source] = sighting.poll
            for (labels, match) in Self.subjects(of: matches, source) {
                if match.isUnknown {
                    if let id = identities[labels] { freeze(id, &round) }
                } else {
                    see(match, of: rule, source.cluster, labels, &round)
                }
            }
        }
        for id in alerts.keys where !round.seen.contains(id) { miss(id, &round) }
        updateCauses()
        updateMutes(now)
        prune(now)
        return round.changes
    }

    private struct Source: Hashable {
        var rule: String
        var cluster: String
    }

    /// The state of one evaluation.
    private struct Round {
        let now: Date
        /// Whether alerts from before a restart have had enough time to be found again.
        let isGraceOver: Bool
        /// The polls of the clusters in which rules were evaluated.
        var polls: [Source: Int] = [:]
        /// The rules and clusters for which the result is unknown.
        var unknown: Set<Source> = []
        var seen: Set<Alert.ID> = []
        var changes: [Alert] = []
    }

    /// The matches by the labels of their alerts; of several matches for one subject, the worst.
    private static func subjects(
        of matches: [AlertRule.Match],
        _ source: Source
    ) -> [(labels: [String: String], match: AlertRule.Match)] {
        var subjects: [(labels: [String: String], match: AlertRule.Match)] = []
        var places: [[String: String]: Int] = [:]
        // The standard library's sort keeps the order of equal elements.
        let matches =
            matches.count > mostMatches
            ? Array(matches.sorted { $0.severity > $1.severity }.prefix(mostMatches)) : matches
        for match in matches {
            var labels = match.labels.mapValues { $0.cut(to: longestLabel) }
            labels["alertname"] = source.rule
            labels["cluster"] = source.cluster
            if let place = places[labels] {
                let isWorse = !match.isUnknown && subjects[place].match.severity < match.severity
                if isWorse || subjects[place].match.isUnknown { subjects[place].match = match }
            } else {
                places[labels] = subjects.count
                subjects.append((labels, match))
            }
        }
        return subjects
    }

    // MARK: The states of one alert

    /// Handles a rule that holds for a subject.
    private mutating func see(
        _ match: AlertRule.Match,
        of rule: AlertRule,
        _ cluster: String,
        _ labels: [String: String],
        _ round: inout Round
    ) {
        let id = identities[labels] ?? Alert.id(of: labels)
        var match = match
        match.labels = labels
        round.seen.insert(id)
        let severity = rule.severity ?? match.severity
        var tracked =
            alerts[id] ?? TrackedAlert(Alert(rule.name, cluster: cluster, match, severity: severity, since: round.now))
        var isNews = alerts[id] == nil
        tracked.isSeen = true
        tracked.isFrozen = false
        if tracked.goneSince != nil {
            tracked.goneSince = nil
            revision += 1
        }
        if tracked.alert.severity != severity {
            tracked.alert.pastSeverities.insert(tracked.alert.severity)
            tracked.alert.pastSeverities.remove(severity)
            tracked.alert.severity = severity
            isNews = true
        }
        tracked.alert.summary = match.summary.cut(to: Self.longestText)
        tracked.alert.description = match.description.cut(to: Self.longestText)
        tracked.alert.runbook = match.runbook.map(options.runbook)
        tracked.alert.figures = match.figures
        let age = tracked.alert.activeSince.elapsed(until: round.now)
        if tracked.alert.state == .pending, age >= rule.holdsFor.boundedSeconds {
            tracked.alert.state = .firing
            tracked.alert.firingSince = round.now
            tracked.episode = nextEpisode(round.now)
            isNews = true
        }
        if isNews {
            tracked.targets = targets(of: tracked.alert)
            round.changes.append(tracked.alert)
            revision += 1
        }
        identities[labels] = id
        alerts[id] = tracked
    }

    /// Handles an alert whose rule does not hold, or for which the result is unknown.
    private mutating func miss(_ id: Alert.ID, _ round: inout Round) {
        guard var tracked = alerts[id] else { return }
        let source = Source(rule: tracked.alert.name, cluster: tracked.alert.cluster)
        guard let rule = rules[source.rule], let poll = round.polls[source] else {
            return end(id, tracked, &round)
        }
        if round.unknown.contains(source) { return freeze(id, &round) }
        if tracked.isFrozen { alerts[id]?.isFrozen = false }
        let mayComeBack = !tracked.isSeen && !(round.isGraceOver && poll > Self.pollsOfGrace)
        if !tracked.isFiring {
            if !mayComeBack { end(id, tracked, &round) }
            return
        }
        let goneSince = tracked.goneSince ?? round.now
        if !mayComeBack, goneSince.elapsed(until: round.now) >= rule.keepsFiringFor.boundedSeconds {
            return end(id, tracked, &round)
        }
        if tracked.goneSince == nil {
            tracked.goneSince = goneSince
            tracked.isFrozen = false
            alerts[id] = tracked
            revision += 1
        }
    }

    private mutating func freeze(_ id: Alert.ID, _ round: inout Round) {
        round.seen.insert(id)
        alerts[id]?.isFrozen = true
    }

    private mutating func end(_ id: Alert.ID, _ tracked: TrackedAlert, _ round: inout Round) {
        alerts[id] = nil
        identities[tracked.alert.labels] = nil
        revision += 1
        // An alert that was only pending leaves no trace.
        if !tracked.isFiring { return }
        var alert = tracked.alert
        alert.state = .resolved
        alert.resolvedAt = round.now
        history = Array((history + [alert]).suffix(options.historyLimit))
        for channel in channels.keys { end(alert, id, tracked.episode, in: channel) }
        round.changes.append(alert)
    }

    /// Records that a channel must receive the resolution, if it knows or may know of the alert, and wants resolutions.
    private mutating func end(_ alert: Alert, _ id: Alert.ID, _ episode: Int, in channel: String) {
        let attempt = attempts[channel]?.removeValue(forKey: id).flatMap { $0.episode == episode ? $0 : nil }
        let old = notified[channel]?[id]
        if old?.episode != episode, attempt == nil { return }
        guard channels[channel]?.sendsResolved == true else {
            notified[channel]?[id] = nil
            return
        }
        var entry = NotifiedAlert(episode: episode, severity: alert.severity, at: clock)
        // An earlier episode that was sent is open in any case.
        entry.isUnconfirmed = old == nil && attempt?.isUncertain == false
        if let old, old.episode == episode { entry = old }
        entry.ended = alert
        notified[channel, default: [:]][id] = entry
    }

    private mutating func nextEpisode(_ now: Date) -> Int {
        let microseconds = Int(exactly: (now.timeIntervalSince1970 * 1e6).rounded()) ?? 0
        lastEpisode = max(lastEpisode &+ 1, microseconds)
        return lastEpisode
    }
}

extension AlertCenter.Options {
    /// The address of the documentation of a finding.
    func runbook(_ place: String) -> String {
        let prefix = "Docs/Monitoring.md"
        return place.hasPrefix(prefix) ? runbookBase + place.dropFirst(prefix.count) : place
    }
}
