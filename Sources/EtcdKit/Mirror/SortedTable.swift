// SPDX-License-Identifier: Apache-2.0

/// An entry of a ``SortedTable``.
package protocol Keyed: Sendable {
    /// Its place in the order.
    var key: Key { get }
}

extension KeyValue: Keyed {}

/// The entries of a range.
typealias SortedEntries = SortedTable<KeyValue>

/// Entries in the order of their keys: a value whose copies share their unchanged parts.
///
/// The entries stand in chunks of a few hundred. A change copies one chunk, and the list of chunks, if a copy of the
/// value is held; nothing if not.
package struct SortedTable<Entry: Keyed>: Sendable {
    /// A place between entries; the end is after the last chunk.
    struct Position: Hashable {
        var chunk: Int
        var index: Int
    }

    private static var fullChunk: Int { 512 }

    /// None is empty.
    private var chunks: [[Entry]] = []
    package private(set) var count = 0

    package init() {}

    package init(_ entries: some Sequence<Entry>) {
        for entry in entries { put(entry) }
    }

    package subscript(key: Key) -> Entry? {
        entry(at: position(of: key)).flatMap { $0.key == key ? $0 : nil }
    }

    /// The place of the first entry that is not before `key`.
    func position(of key: Key) -> Position {
        // The last chunk that begins before `key`, or at it.
        let chunk = chunks.partitionPoint { !(key < $0[0].key) } - 1
        guard chunk >= 0 else { return Position(chunk: 0, index: 0) }
        let index = chunks[chunk].partitionPoint { $0.key < key }
        return Position(chunk: chunk, index: index)
    }

    /// The entry behind a place; nil at the end.
    func entry(at position: Position) -> Entry? {
        guard position.chunk < chunks.count else { return nil }
        let chunk = chunks[position.chunk]
        if position.index < chunk.count { return chunk[position.index] }
        return entry(at: Position(chunk: position.chunk + 1, index: 0))
    }

    /// The place after the entry that is behind `position`.
    func position(after position: Position) -> Position {
        let isLast = position.chunk >= chunks.count || position.index >= chunks[position.chunk].count
        return isLast
            ? Position(chunk: position.chunk + 1, index: 1)
            : Position(chunk: position.chunk, index: position.index + 1)
    }

    /// Inserts or replaces an entry.
    ///
    /// - Returns: The entry of the same key that was there.
    @discardableResult
    package mutating func put(_ entry: Entry) -> Entry? {
        guard !chunks.isEmpty else {
            chunks = [[entry]]
            count = 1
            return nil
        }
        let place = position(of: entry.key)
        if place.index < chunks[place.chunk].count, chunks[place.chunk][place.index].key == entry.key {
            let previous = chunks[place.chunk][place.index]
            chunks[place.chunk][place.index] = entry
            return previous
        }
        chunks[place.chunk].insert(entry, at: place.index)
        count += 1
        if chunks[place.chunk].count > Self.fullChunk { split(place) }
        return nil
    }

    /// Removes an entry.
    ///
    /// - Returns: The entry, if it was there.
    @discardableResult
    package mutating func remove(_ key: Key) -> Entry? {
        let place = position(of: key)
        guard let entry = entry(at: place), entry.key == key else { return nil }
        chunks[place.chunk].remove(at: place.index)
        count -= 1
        if chunks[place.chunk].isEmpty {
            chunks.remove(at: place.chunk)
        } else if place.chunk + 1 < chunks.count,
            chunks[place.chunk].count + chunks[place.chunk + 1].count <= Self.fullChunk / 2
        {
            chunks[place.chunk] += chunks.remove(at: place.chunk + 1)
        }
        return entry
    }

    /// Makes two chunks of one: of equal size, or, where entries come in order, without moving any.
    private mutating func split(_ place: Position) {
        let chunk = chunks[place.chunk]
        let isGrowingAtEnd = place.index == chunk.count - 1
        let middle = isGrowingAtEnd ? place.index : chunk.count / 2
        chunks[place.chunk] = Array(chunk[..<middle])
        chunks.insert(Array(chunk[middle...]), at: place.chunk + 1)
    }
}

extension SortedTable: Sequence {
    package struct Iterator: IteratorProtocol {
        fileprivate let entries: SortedTable
        fileprivate var position: Position

        package mutating func next() -> Entry? {
            guard let entry = entries.entry(at: position) else { return nil }
            position = entries.position(after: position)
            return entry
        }
    }

    package func makeIterator() -> Iterator { Iterator(entries: self, position: Position(chunk: 0, index: 0)) }

    func makeIterator(from key: Key) -> Iterator { Iterator(entries: self, position: position(of: key)) }

    package var underestimatedCount: Int { count }
}

extension Array {
    /// How many elements, from the first on, satisfy `belongs`, which holds for a beginning and for nothing after it.
    fileprivate func partitionPoint(_ belongs: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if belongs(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
