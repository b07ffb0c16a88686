// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The events of a fault run, as its parties saw them; ``HistoryChecker`` checks it.
struct History: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// A change of a key.
    struct Change: Sendable, Hashable, CustomStringConvertible {
        let revision: Revision
        let key: Key
        /// Nil for a deletion.
        let value: Value?

        var description: String { "\(key)=\(value?.description ?? "gone")@\(revision)" }
    }

    /// A write of a value that no other write has.
    struct Write: Sendable {
        enum Outcome: Sendable, Hashable {
            case acknowledged(Revision)
            /// It may have happened or not.
            case ambiguous
            /// The client reports for this reason that it has not happened.
            case failed(String)
        }

        let key: Key
        let value: Value
        let end: Instant
        let outcome: Outcome
    }

    /// A linearizable read of all keys.
    struct Read: Sendable {
        let reader: String
        let start: Instant
        let end: Instant
        let revision: Revision
        /// For each key its last change.
        let entries: [Change]
    }

    /// A change, as a watcher saw it, and when.
    struct Sighting: Sendable {
        let change: Change
        let instant: Instant
    }

    /// How long something took to work again after the faults.
    struct Recovery: Sendable {
        let what: String
        let duration: Duration
    }

    /// All changes, read from a member at the end.
    var store: [Change] = []
    var writes: [Write] = []
    var reads: [Read] = []
    /// By the name of the watcher.
    var watches: [String: [Sighting]] = [:]
    /// Until when the client has reported the lease alive to which a key is attached.
    var claims: [Key: Instant] = [:]
    /// When members that had stood still have gone on.
    var awakenings: [Instant] = []
    var recoveries: [Recovery] = []
}

extension History.Change {
    init(_ event: WatchEvent) {
        self.init(revision: event.revision, key: event.key, value: event.kind == .put ? event.entry.value : nil)
    }

    init(_ entry: KeyValue) {
        self.init(revision: entry.modRevision, key: entry.key, value: entry.value)
    }
}
