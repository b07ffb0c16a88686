// SPDX-License-Identifier: Apache-2.0

/// Replays the changes in the queue of a lock, and complains of each wrong holder.
///
/// A participant that gets in puts a key of the name of its place under `<name>-log/`, and deletes it when it leaves, each by
/// a guarded transaction; so the store shows when each participant believed to be inside.
struct QueueHistory {
    private struct Place {
        let createRevision: Int64
        var isShared: Bool
    }

    private let name: String
    private var queue: [String: Place] = [:]
    private var inside: Set<String> = []
    private(set) var complaints: [String] = []
    private(set) var mostInside = 0
    private(set) var writers = 0
    private(set) var downgrades = 0
    /// How often a former writer shared the lock.
    private(set) var downgradesWithCompany = 0
    private var downgraded: Set<String> = []

    init(of name: String, _ revisions: [[HistoryEvent]]) {
        self.name = name
        for events in revisions {
            // A key that a transaction deletes is gone when the rest of it is there.
            for event in events where event.key.hasPrefix(name + "/") { apply(event) }
            for event in events where event.key.hasPrefix(name + "-log/") { log(event) }
            check(events.first?.revision ?? 0)
        }
    }

    private mutating func apply(_ event: HistoryEvent) {
        let place = String(event.key.dropFirst(name.count + 1))
        guard let value = event.value else {
            queue[place] = nil
            // From here on the server refuses whatever it does.
            inside.remove(place)
            return
        }
        if event.isCreation {
            queue[place] = Place(createRevision: event.revision, isShared: place.hasPrefix("shared-"))
        } else if value.hasPrefix("shared:") {
            queue[place]?.isShared = true
            downgrades += 1
            downgraded.insert(place)
        } else {
            complaints.append("\(event.revision): \(place) was put again")
        }
    }

    private mutating func log(_ event: HistoryEvent) {
        let key = String(event.key.dropFirst(name.count + 5))
        if event.value == nil {
            inside.remove(key)
            return
        }
        guard let place = queue[key] else {
            complaints.append("\(event.revision): \(key) is inside, but not in the queue")
            return
        }
        inside.insert(key)
        if !place.isShared { writers += 1 }
        for (other, before) in queue where before.createRevision < place.createRevision {
            if !place.isShared || !before.isShared {
                complaints.append("\(event.revision): \(key) is inside, but \(other) came before")
            }
        }
    }

    private mutating func check(_ revision: Int64) {
        mostInside = max(mostInside, inside.count)
        let exclusive = inside.filter { queue[$0]?.isShared == false }
        if !exclusive.isEmpty && inside.count > 1 {
            complaints.append("\(revision): a writer has company: \(inside.sorted())")
        }
        if inside.count > 1 {
            downgradesWithCompany += inside.intersection(downgraded).count
            downgraded.subtract(inside)
        }
    }
}
