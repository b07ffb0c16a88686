// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances that have changed lately, so that followers need not compare all instances.
struct ChangeLog: Sendable {
    struct Change: Sendable {
        /// The bytes of an instance's ID.
        let id: Key
        /// How the instance has left; nil if it is there.
        let departure: ServiceEvent.Departure?
    }

    /// The number of changes that are remembered at least, for slow followers.
    static let memory = 1000

    private var changes: [Change] = []
    /// The number of changes that are forgotten.
    private var start = 0

    /// The number of changes so far.
    var end: Int { start + changes.count }

    mutating func append(_ change: Change) {
        changes.append(change)
        if changes.count < 2 * Self.memory { return }
        start += changes.count - Self.memory
        changes.removeFirst(changes.count - Self.memory)
    }

    /// The remembered changes after the first `position` ones.
    func changes(after position: Int) -> ArraySlice<Change> { changes.dropFirst(max(0, position - start)) }

    /// Whether all changes after the first `position` ones are remembered.
    func isComplete(after position: Int) -> Bool { position >= start }
}
