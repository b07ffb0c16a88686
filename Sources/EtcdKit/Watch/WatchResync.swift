// SPDX-License-Identifier: Apache-2.0

/// Handles compactions for a watch: tracks the keys that the consumer knows, and finds the difference to the store.
final class WatchResync: Sendable {
    private let description: WatchDescription
    /// The keys that the consumer knows.
    private let known = Lock(KnownKeys())

    /// Nil if the options do not ask for it, or the watch is one that the hub refuses.
    init?(_ description: WatchDescription) {
        let revision = description.revision ?? 0
        guard description.options.onCompaction == .resync, !description.range.isEmpty, revision >= 0 else { return nil }
        self.description = description
    }

    private var options: WatchOptions { description.options }
    /// Older events are read only to know which keys exist.
    private var firstRevision: Revision { description.revision ?? 0 }

    /// Reads the keys that exist before the watch's first revision, or now if that is 0 or later than now.
    ///
    /// - Returns: The revision to watch from.
    func start() async throws(EtcdError) -> Revision {
        if firstRevision == 1 { return 1 }
        while true {
            let newest = try await newestRevision()
            let revision = firstRevision == 0 ? newest : min(firstRevision.previous, newest)
            do throws(EtcdError) {
                var keys = KnownKeys()
                try await read(keysOnly: true, at: revision) { keys.note($0.key, at: $0.modRevision) }
                known.withLock { [keys] in $0 = keys }
                return revision.next
            } catch {
                guard error.code == .compacted else { throw error }
                if firstRevision != 0 && revision == firstRevision.previous {
                    let text = "revision \(revision), which the watch was to begin after, was compacted"
                    throw EtcdError(.compacted, text, compactRevision: error.compactRevision)
                }
            }
        }
    }

    /// Notes an event.
    ///
    /// - Returns: Whether the consumer wants it.
    func note(_ event: WatchEvent) -> Bool {
        known.withLock { $0.note(event) }
        return isWanted(event)
    }

    /// Finds the difference between the keys that the consumer knows and the store, and notes it.
    ///
    /// - Returns: The events of it that the consumer wants.
    func difference() async throws(EtcdError) -> WatchBatch {
        let known = known.withLock { $0 }
        while true {
            let revision = try await newestRevision()
            var present = KnownKeys()
            var events: [WatchEvent] = []
            do throws(EtcdError) {
                try await read(keysOnly: options.ignoresPuts, at: revision) { entry in
                    present.note(entry.key, at: entry.modRevision)
                    if !known.contains(entry) { events.append(WatchEvent(putOf: entry)) }
                }
            } catch {
                // It was compacted meanwhile.
                if error.code == .compacted { continue }
                throw error
            }
            events += known.deletions(comparedTo: present, at: revision)
            self.known.withLock { [present] in $0 = present }
            return WatchBatch(revision: revision, events: events.filter(isWanted), isResync: true)
        }
    }

    private func isWanted(_ event: WatchEvent) -> Bool {
        event.revision >= firstRevision && !(event.kind == .put ? options.ignoresPuts : options.ignoresDeletes)
    }

    private func newestRevision() async throws(EtcdError) -> Revision {
        try await description.client.position(near: description.range).revision
    }

    private func read(
        keysOnly: Bool,
        at revision: Revision,
        _ body: (KeyValue) -> Void
    ) async throws(EtcdError) {
        var options = RangeOptions()
        options.keysOnly = keysOnly
        options.revision = revision
        var entries = description.client.entries(in: description.range, options: options).makeAsyncIterator()
        while let entry = try await entries.next() { body(entry) }
    }
}

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
