// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A part of a queue to be read: the entries that came before a revision, from the latest of them on.
struct QueueSection: Sendable {
    /// Where the entries are.
    let ranges: [KeyRange]
    /// They came before this revision.
    let end: Revision
    /// The most entries to read of each range; nil for all.
    let limit: Int?
    /// How many there are at most, with or without the limit.
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
