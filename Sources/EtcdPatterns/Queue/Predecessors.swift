// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The keys in a queue that a key has to wait for, as far as they are known: a value without I/O.
///
/// They only become fewer. So the nearest of them are read once, and after that one by one. The queue is read again, from
/// there on, only when all known ones are gone and there may be more.
struct Predecessors: Sendable {
    /// The nearest ones, the nearest first.
    private(set) var nearest: [KeyValue] = []
    /// The maximum number of further ones.
    private(set) var farther: Int
    /// The role of the key that waits for them.
    let role: FairQueue.Role
    /// The name of the queue.
    let name: Key
    /// The unknown ones were created before this revision.
    private(set) var end: Revision

    /// How many there are at most.
    var count: Int { nearest.count + farther }

    // MARK: Looking

    /// How many are read at once.
    private static let chunk = 8

    /// The part of the queue to read next, so that as many are known then as `window` says, or all if that is nil; nil
    /// if enough are known.
    func section(window: Int?) -> QueueSection? {
        guard farther > 0, nearest.count < window ?? .max else { return nil }
        let limit = window.map { max($0, Self.chunk) }
        return QueueSection(ranges: role.obstacles(in: name), end: end, limit: limit, count: farther)
    }

    /// Applies the result of a read: the known ones that still exist, and the answers to ``section(window:)``.
    ///
    /// - Throws: ``QueueBlocked`` if one of them cannot be waited for.
    mutating func note(_ entries: [KeyValue], _ section: [RangeResponse]?) throws(QueueBlocked) {
        let known = Dictionary(nearest.map { ($0.key, $0.createRevision) }) { first, _ in first }
        nearest = entries.filter { entry in
            // A key that was deleted and put again is behind this one.
            known[entry.key] == entry.createRevision && isInTheWay(entry)
        }
        if let section { append(section) }
        for entry in nearest {
            if let error = QueueBlocked(by: entry, in: name) { throw error }
        }
    }

    private mutating func append(_ responses: [RangeResponse]) {
        var found: [KeyValue] = []
        // Of several ranges, what is beyond the end of a range that was cut off is not known.
        var start = Revision(rawValue: 0)
        for response in responses {
            found += response.entries
            if response.more, let last = response.entries.last { start = max(start, last.createRevision) }
        }
        found = found.filter { $0.createRevision >= start }.sorted { $0.createRevision > $1.createRevision }
        farther = start == 0 ? 0 : max(1, farther - found.count)
        end = start
        nearest += found.filter(isInTheWay)
    }

    private func isInTheWay(_ entry: KeyValue) -> Bool {
        role == .exclusive || FairQueue.Role(of: entry) == .exclusive
    }
}

/// A part of a queue to be read: the entries that came before a revision, from the latest of them on.
struct QueueSection: Sendable {
    /// The ranges of the entries.
    let ranges: [KeyRange]
    /// The entries were created before this revision.
    let end: Revision
    /// The most entries to read of each range; nil for all.
    let limit: Int?
    /// The maximum number of entries, with or without the limit.
    let count: Int

    /// The most entries that a section which covers several reads of a range.
    private static let maximumLimit = 1_000

    /// The operations of a transaction that read it.
    var operations: [TransactionOperation] {
        var options = RangeOptions()
        options.maxCreateRevision = end.previous
        options.sort = .descending(by: .createRevision)
        options.limit = limit
        return ranges.map { .range($0, options: options) }
    }

    /// A section that covers this one and `others`, which are of the same ranges, as far as its limit allows.
    ///
    /// It covers the one with the highest end in any case.
    func covering(_ others: [QueueSection]) -> QueueSection {
        var (latest, earliest, most) = (self, self, limit)
        for other in others {
            if other.end > latest.end { latest = other }
            if other.end < earliest.end { earliest = other }
            most = if let limit = other.limit, let known = most { max(limit, known) } else { nil }
        }
        // So many came between the first and the last, unless some have gone since; those that read are there themselves.
        let between = max(latest.count - earliest.count, others.count)
        let limit = most.map { max($0, min($0 + between, Self.maximumLimit)) }
        return QueueSection(ranges: ranges, end: latest.end, limit: limit, count: latest.count)
    }

    /// Takes this section out of the answers to one that covers it.
    ///
    /// - Returns: The answer that a read of this section alone would have got, or fewer entries of it; nil if the
    ///   limit has cut all of them off.
    func part(of responses: [RangeResponse]) -> [RangeResponse]? {
        var parts: [RangeResponse] = []
        for var response in responses {
            let entries = response.entries.drop { $0.createRevision >= end }
            if response.more && entries.isEmpty { return nil }
            let part = entries.prefix(limit ?? .max)
            response.more = response.more || part.count < entries.count
            response.entries = Array(part)
            parts.append(response)
        }
        return parts
    }
}
