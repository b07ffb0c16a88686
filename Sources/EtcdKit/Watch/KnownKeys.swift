// SPDX-License-Identifier: Apache-2.0

/// The keys of a range that the consumer of a watch knows, with the revisions of their last changes.
struct KnownKeys: Equatable {
    private var revisions: [Key: Revision] = [:]

    var count: Int { revisions.count }

    mutating func note(_ key: Key, at revision: Revision) {
        revisions[key] = revision
    }

    mutating func note(_ event: WatchEvent) {
        revisions[event.key] = event.kind == .put ? event.revision : nil
    }

    /// Whether the consumer knows the entry as it is.
    func contains(_ entry: KeyValue) -> Bool { revisions[entry.key] == entry.modRevision }

    /// Deletions, in the order of their keys, of the keys that are known here and not in `present`.
    func deletions(comparedTo present: KnownKeys, at revision: Revision) -> [WatchEvent] {
        revisions.keys.filter { present.revisions[$0] == nil }.sorted()
            .map { WatchEvent(deletionOf: $0, at: revision) }
    }
}
