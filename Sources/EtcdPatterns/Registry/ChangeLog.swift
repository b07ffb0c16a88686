// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Which instances have changed lately, so that followers look at those only.
struct ChangeLog: Sendable {
    struct Change: Sendable {
        /// The bytes of an instance's id.
        let id: Key
        /// How the instance has left, if it has.
        let departure: ServiceEvent.Departure?
    }

    /// How many changes are remembered, at least, for followers that are slow to ask.
    static let memory = 1000

    private var changes: [Change] = []
    /// How many changes are forgotten.
    private var start = 0

    /// How many changes there were.
    var end: Int { start + changes.count }

    mutating func append(_ change: Change) {
        changes.append(change)
        if changes.count < 2 * Self.memory { return }
        start += changes.count - Self.memory
        changes.removeFirst(changes.count - Self.memory)
    }

    /// The changes after the first `position`, as far as they are remembered.
    func changes(after position: Int) -> ArraySlice<Change> { changes.dropFirst(max(0, position - start)) }

    /// Whether all changes after the first `position` are remembered.
    func isComplete(after position: Int) -> Bool { position >= start }
}
