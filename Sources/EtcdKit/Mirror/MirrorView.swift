// SPDX-License-Identifier: Apache-2.0

/// The entries of a range as they were at one revision, in the order of their keys.
///
/// A view is a value that never changes. Taking one copies nothing, however many entries it has: views of a mirror
/// share their unchanged entries.
public struct MirrorView: Sendable, Equatable, CustomStringConvertible {
    /// The keys that the view is of.
    public let range: KeyRange
    /// The revision of the entries; 0 for a mirror that has not listed its entries yet.
    public let revision: Revision
    let content: SortedEntries

    /// The view with other entries under some keys; nil for none.
    package func replacing(_ entries: some Sequence<(Key, KeyValue?)>) -> MirrorView {
        var content = content
        for (key, entry) in entries {
            if let entry { content.put(entry) } else { content.remove(key) }
        }
        return MirrorView(range: range, revision: revision, content: content)
    }

    /// The range, the number of entries and the revision.
    public var description: String { "\(count) entries of \(range) at revision \(revision)" }

    /// How many entries there are.
    public var count: Int { content.count }

    /// There is no entry.
    public var isEmpty: Bool { content.count == 0 }

    /// The entry of `key`, or nil if there is none.
    ///
    /// It takes O(log ``count``) time.
    public subscript(key: Key) -> KeyValue? { content[key] }

    /// The entries whose keys are in `part`.
    ///
    /// - Parameter part: Any keys, such as `.prefix("services/api/")`.
    /// - Returns: The entries, in the order of their keys.
    public func entries(in part: KeyRange) -> Entries { Entries(content: content, part: part) }

    /// Whether two views are of the same range and revision, and have the same entries.
    public static func == (left: Self, right: Self) -> Bool {
        left.range == right.range && left.revision == right.revision && left.count == right.count
            && left.elementsEqual(right)
    }

    /// Some entries of a view, in the order of their keys.
    public struct Entries: Sequence, Sendable {
        fileprivate let content: SortedEntries
        fileprivate let part: KeyRange

        /// Starts at the first of the entries.
        public func makeIterator() -> Iterator {
            Iterator(base: content.makeIterator(from: Key(bytes: part.start)), part: part)
        }

        /// An iteration over entries of a view.
        public struct Iterator: IteratorProtocol {
            fileprivate var base: SortedEntries.Iterator
            fileprivate let part: KeyRange

            /// The next entry, or nil at the end.
            public mutating func next() -> KeyValue? {
                base.next().flatMap { part.contains($0.key) ? $0 : nil }
            }
        }
    }
}

extension MirrorView: Sequence {
    /// Makes a view of entries that were not mirrored.
    ///
    /// - Parameters:
    ///   - range: The keys that the view is of.
    ///   - revision: The revision of the view.
    ///   - entries: The entries, in any order; of two with the same key, the later counts.
    public init(range: KeyRange, revision: Revision, entries: some Sequence<KeyValue>) {
        self.init(range: range, revision: revision, content: SortedEntries(entries))
    }

    /// Starts at the first entry.
    public func makeIterator() -> Entries.Iterator { entries(in: range).makeIterator() }

    /// How many entries there are.
    public var underestimatedCount: Int { count }
}
