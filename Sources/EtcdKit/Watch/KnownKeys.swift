// SPDX-License-Identifier: Apache-2.0

/// What exists in a range, as the consumer of a watch has been told: a value that finds the difference to what is there.
struct KnownKeys: Equatable {
    private var revisions: [Key: Revision] = [:]

    var count: Int { revisions.count }

    mutating func note(_ key: Key, at revision: Revision) {
        revisions[key] = revision
    }

    mutating func note(_ events: some Sequence<WatchEvent>) {
        for event in events { revisions[event.key] = event.kind == .put ? event.revision : nil }
    }

    /// Whether the consumer knows the entry as it is.
    func contains(_ entry: KeyValue) -> Bool { revisions[entry.key] == entry.modRevision }

    /// Deletions, in the order of their keys, of what is known here and not in `present`.
    func deletions(comparedTo present: KnownKeys, at revision: Revision) -> [WatchEvent] {
        revisions.keys.filter { present.revisions[$0] == nil }.sorted()
            .map { WatchEvent(deletionOf: $0, at: revision) }
    }
}
