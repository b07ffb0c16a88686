// SPDX-License-Identifier: Apache-2.0

/// The entries that one attempt of an atomic transaction has read, and the conditions under which they are unchanged.
struct AtomicReads: Sendable {
    private(set) var entries: [KeyRange: [KeyValue]] = [:]
    /// The last change of each key that was read; 0 for a missing one.
    private var revisions: [Key: Revision] = [:]

    var isEmpty: Bool { entries.isEmpty }

    /// The entries that were read of `range`; nil if it was not read.
    subscript(_ range: KeyRange) -> [KeyValue]? {
        if let known = entries[range] { return known }
        guard let key = range.singleKey, let around = entries.first(where: { $0.key.contains(key) }) else { return nil }
        return around.value.filter { $0.key == key }
    }

    /// Notes a reading.
    ///
    /// - Returns: Whether it agrees with what was read before.
    mutating func note(_ read: [KeyValue], in range: KeyRange) -> Bool {
        var found = Dictionary(read.map { ($0.key, $0.modRevision) }) { $1 }
        if let key = range.singleKey, found.isEmpty { found[key] = 0 }
        let agrees = revisions.allSatisfy { key, revision in
            !range.contains(key) || found[key] ?? 0 == revision
        }
        entries[range] = read
        revisions.merge(found) { $1 }
        return agrees
    }

    /// The conditions for all to be as it was read at `snapshot`, and for `writtenKeys` not to have been changed since.
    ///
    /// A key that was changed or deleted is detected by its own revision. A key that was added to a range is newer than
    /// the snapshot, and so is one that was deleted and created again.
    func conditions(isolation: AtomicOptions.Isolation, at snapshot: Revision?, writtenKeys: [Key]) -> [Compare] {
        if isolation == .readCommitted { return [] }
        var conditions = revisions.sorted { $0.key < $1.key }.map { Compare.Target.modRevision($0) == $1 }
        guard isolation.readsOneRevision, let snapshot else { return conditions }
        for range in entries.keys where range.singleKey == nil && !range.isEmpty {
            conditions.append(.modRevision(in: range) < snapshot.next)
        }
        if isolation == .serializableSnapshot {
            for key in writtenKeys where revisions[key] == nil {
                conditions.append(.modRevision(key) < snapshot.next)
            }
        }
        return conditions
    }
}
