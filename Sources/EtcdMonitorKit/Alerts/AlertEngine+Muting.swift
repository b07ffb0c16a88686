// SPDX-License-Identifier: Apache-2.0

import Foundation

extension AlertEngine {
    /// The silences and maintenance windows that are active at one time.
    struct Mutes {
        var silences: [Silence]
        var windows: [MaintenanceWindow]
    }

    func mutes(at now: Date) -> Mutes {
        Mutes(
            silences: silences.filter { $0.state(at: now) == .active },
            windows: options.maintenanceWindows.filter { $0.contains(now) }
        )
    }

    /// The reason why an alert is muted; nil if it is not.
    func reasonForSilence(of alert: Alert, _ id: Alert.ID, _ mutes: Mutes) -> String? {
        if let silence = mutes.silences.first(where: { $0.matchers.match(alert) }) { return "silence \(silence.id)" }
        if let window = mutes.windows.first(where: { $0.matchers.match(alert) }) { return "maintenance \(window.name)" }
        return inhibitor(of: alert, id).map { "inhibited by \($0)" }
    }

    /// Updates which alerts are muted, and when others were unmuted.
    mutating func updateMutes(_ now: Date) {
        let mutes = mutes(at: now)
        for (id, tracked) in alerts where tracked.isFiring {
            let isMuted = reasonForSilence(of: tracked.alert, id, mutes) != nil
            if isMuted == tracked.isMuted { continue }
            alerts[id]?.isMuted = isMuted
            alerts[id]?.unmutedAt = isMuted ? nil : now
            revision += 1
        }
    }
}

// MARK: - Inhibition

/// An index of the inhibitions by the name of the cause, because only few causes fire at a time.
struct InhibitionIndex: Sendable {
    let inhibitions: [AlertInhibition]
    private var byName: [String: [Int]] = [:]
    private var others: [Int] = []

    init(_ inhibitions: [AlertInhibition]) {
        self.inhibitions = inhibitions
        for (place, inhibition) in inhibitions.enumerated() {
            let name = inhibition.source.first { $0.name == "alertname" && $0.isEqual && !$0.value.contains("*") }
            if let name { byName[name.value, default: []].append(place) } else { others.append(place) }
        }
    }

    /// The positions of the inhibitions for which an alert is a cause.
    func places(of cause: Alert) -> [Int] {
        ((byName[cause.name] ?? []) + others).filter { inhibitions[$0].source.match(cause) }
    }
}

/// The firing alerts that mute others.
struct ActiveCauses: Sendable {
    /// The causes of each inhibition, by the values of the labels that must be equal.
    var byPlace: [Int: [[String]: [Alert.ID]]] = [:]
    /// The positions in order.
    var places: [Int] = []
    /// The positions of the inhibitions of each cause.
    var placesByID: [Alert.ID: [Int]] = [:]
}

extension AlertEngine {
    /// Updates which alerts mute others.
    mutating func updateCauses() {
        var active = ActiveCauses()
        for (id, tracked) in alerts where tracked.isFiring {
            let places = inhibitions.places(of: tracked.alert)
            if places.isEmpty { continue }
            active.placesByID[id] = places
            for place in places {
                let key = inhibitions.inhibitions[place].equal.map { tracked.alert[$0] }
                active.byPlace[place, default: [:]][key, default: []].append(id)
            }
        }
        active.places = active.byPlace.keys.sorted()
        causes = active
    }

    /// The name of the alert that mutes an alert.
    private func inhibitor(of alert: Alert, _ id: Alert.ID) -> String? {
        for place in causes.places {
            let inhibition = inhibitions.inhibitions[place]
            guard inhibition.target.match(alert) else { continue }
            let sources = causes.byPlace[place]?[inhibition.equal.map { alert[$0] }] ?? []
            for source in sources where source != id && !goesBefore(alert, id, source, by: place) {
                if let cause = alerts[source] { return cause.alert.name }
            }
        }
        return nil
    }

    /// Whether an alert mutes its cause in turn, and has precedence.
    ///
    /// Of two alerts that mute each other, one must be sent.
    ///
    /// The alert with the earlier inhibition has precedence; within one inhibition, the alert that fired first.
    private func goesBefore(_ alert: Alert, _ id: Alert.ID, _ causeID: Alert.ID, by place: Int) -> Bool {
        guard let own = causes.placesByID[id], let cause = alerts[causeID], let tracked = alerts[id] else {
            return false
        }
        let back = own.first { place in
            let inhibition = inhibitions.inhibitions[place]
            return inhibition.target.match(cause.alert) && inhibition.equal.allSatisfy { alert[$0] == cause.alert[$0] }
        }
        guard let back else { return false }
        return back == place ? tracked.episode < cause.episode : back < place
    }
}
