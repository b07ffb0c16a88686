// SPDX-License-Identifier: Apache-2.0

/// Replays the changes under the name of a semaphore, and complains of each wrong claim of a slot.
struct SlotHistory {
    private let name: String
    private var limit: Int?
    private var queue: [String: Int64] = [:]
    private var slots: Set<String> = []
    private(set) var complaints: [String] = []
    private(set) var claims = 0
    private(set) var mostInside = 0
    private(set) var limits: Set<Int> = []
    /// How often there were more holders than a new, lower limit.
    private(set) var attritions = 0

    init(of name: String, _ revisions: [[HistoryEvent]]) {
        self.name = name
        for events in revisions { apply(events) }
    }

    private mutating func apply(_ events: [HistoryEvent]) {
        let before = queue
        for event in events where event.key.hasPrefix(name + "/queue/") {
            let place = String(event.key.dropFirst(name.count + 7))
            if event.value != nil { queue[place] = event.revision } else { queue[place] = nil }
        }
        for event in events where event.key == name + "/limit" {
            limit = event.value.flatMap { Int($0) }
            if let limit {
                limits.insert(limit)
                if slots.count > limit { attritions += 1 }
            }
        }
        for event in events where event.key.hasPrefix(name + "/slots/") {
            let slot = String(event.key.dropFirst(name.count + 7))
            if event.value == nil { slots.remove(slot) } else { claim(slot, event.revision, before) }
        }
        mostInside = max(mostInside, slots.count)
    }

    private mutating func claim(_ slot: String, _ revision: Int64, _ before: [String: Int64]) {
        claims += 1
        let parts = slot.split(separator: "/", maxSplits: 1).map(String.init)
        guard parts.count == 2 else { return complaints.append("\(revision): a slot \(slot)") }
        let (number, place) = (parts[0], parts[1])
        if slots.contains(where: { $0.hasPrefix(number + "/") }) {
            complaints.append("\(revision): slot \(number) is taken twice")
        }
        guard let turn = before[place], queue[place] == nil else {
            return complaints.append("\(revision): \(place) has not left the queue for its slot")
        }
        let ahead = before.values.count { $0 < turn }
        if slots.count + ahead >= limit ?? 0 {
            complaints.append("\(revision): \(place) has taken the slot of one of the \(ahead) before it")
        }
        slots.insert(slot)
        if slots.count > limit ?? 0 {
            complaints.append("\(revision): \(slots.count) slots, of \(limit ?? 0)")
        }
    }
}
