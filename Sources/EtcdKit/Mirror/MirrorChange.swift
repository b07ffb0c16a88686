// SPDX-License-Identifier: Apache-2.0

/// A change of a mirror.
public struct MirrorChange: Sendable, Hashable, CustomStringConvertible {
    /// An entry that is new or has changed.
    public struct Put: Sendable, Hashable {
        /// The entry as it is.
        public let entry: KeyValue
        /// The entry as it was; nil if there was none.
        public let previous: KeyValue?

        /// Makes a put.
        public init(entry: KeyValue, previous: KeyValue?) {
            self.entry = entry
            self.previous = previous
        }
    }

    /// The revision of the mirror after the change.
    ///
    /// It is lower than that of the previous change if the store was restored from a backup.
    public let revision: Revision
    /// The previous entries of deleted keys.
    public let deletions: [KeyValue]
    /// Entries that are new or have changed.
    public let puts: [Put]
    /// The change is the difference between two states; the changes in between are not known.
    ///
    /// This is true for the first change of an iteration, which has all entries, for a subscriber that was too far
    /// behind, and for changes that the mirror has missed. All other changes are exactly those of one revision.
    public let isDifference: Bool

    /// Makes a change.
    public init(revision: Revision, deletions: [KeyValue], puts: [Put], isDifference: Bool) {
        self.revision = revision
        self.deletions = deletions
        self.puts = puts
        self.isDifference = isDifference
    }

    /// The numbers of puts and deletions, and the revision.
    public var description: String {
        "\(puts.count) put, \(deletions.count) deleted at revision \(revision)\(isDifference ? " (difference)" : "")"
    }

    /// There are neither deletions nor puts.
    public var isEmpty: Bool { deletions.isEmpty && puts.isEmpty }

    /// The number of deletions and puts.
    var count: Int { deletions.count + puts.count }

    /// The difference from `old` to `new`, in the order of keys.
    init(from old: SortedEntries, to new: SortedEntries, at revision: Revision) {
        var deletions: [KeyValue] = []
        var puts: [Put] = []
        var (oldEntries, newEntries) = (old.makeIterator(), new.makeIterator())
        var (left, right) = (oldEntries.next(), newEntries.next())
        while left != nil || right != nil {
            if let entry = left, right.map({ entry.key < $0.key }) ?? true {
                deletions.append(entry)
                left = oldEntries.next()
            } else if let entry = right {
                let previous = left?.key == entry.key ? left : nil
                // After a restore, another entry may have the same revision.
                if previous != entry { puts.append(Put(entry: entry, previous: previous)) }
                if previous != nil { left = oldEntries.next() }
                right = newEntries.next()
            }
        }
        self.init(revision: revision, deletions: deletions, puts: puts, isDifference: true)
    }
}
