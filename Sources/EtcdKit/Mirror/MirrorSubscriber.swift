// SPDX-License-Identifier: Apache-2.0

/// The changes that wait for one consumer, up to a limit.
struct MirrorSubscriber {
    /// The changes that the consumer gets next.
    enum Portion {
        case changes([MirrorChange])
        /// The difference between two states, which the consumer computes.
        case difference(from: SortedEntries, to: MirrorView)

        var changes: [MirrorChange] {
            switch self {
            case .changes(let changes): changes
            case .difference(let old, let new):
                [MirrorChange(from: old, to: new.content, at: new.revision)]
            }
        }
    }

    let id: Int
    /// The entries that the consumer knows.
    private var seen = SortedEntries()
    private var pending: [MirrorChange] = []
    private var pendingCount = 0
    /// There is more than may wait, as at the beginning, when the consumer has no entries.
    private var isBehind = true

    init(id: Int) { self.id = id }

    mutating func offer(_ change: MirrorChange, limit: Int) {
        if isBehind || change.isEmpty { return }
        pending.append(change)
        pendingCount += change.count
        guard pendingCount > limit else { return }
        isBehind = true
        pending = []
    }

    /// Takes all that is new up to `current`; nil if there is nothing.
    mutating func take(_ current: MirrorView) -> Portion? {
        if !isBehind && pending.isEmpty { return nil }
        defer {
            seen = current.content
            pending = []
            pendingCount = 0
            isBehind = false
        }
        return isBehind ? .difference(from: seen, to: current) : .changes(pending)
    }
}
