// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The keys in a queue that a key has to wait for, as far as they are known: a value without I/O.
///
/// They only become fewer. So the nearest of them are read once, and after that one by one. The queue is read again, from
/// there on, only when all known ones are gone and there may be more.
struct Predecessors: Sendable {
    /// The nearest ones, from the nearest on.
    private(set) var nearest: [KeyValue] = []
    /// How many more there are at most.
    private(set) var farther: Int
    private let name: Key
    private let role: FairQueue.Role
    /// Those that are not known came before this revision.
    private var end: Revision

    /// - Parameters:
    ///   - count: How many there are at most.
    ///   - role: That of the one that waits for them.
    ///   - name: The name of the queue.
    ///   - revision: The place of the one that waits for them.
    init(atMost count: Int, of role: FairQueue.Role, in name: Key, before revision: Revision) {
        farther = count
        self.role = role
        self.name = name
        end = revision
    }

    /// How many there are at most.
    var count: Int { nearest.count + farther }

    // MARK: Looking

    /// How many are read at once.
    private static let chunk = 8

    /// The part of the queue to read at the next look, so that as many are known then as `window` says, unless there are
    /// fewer; nil for all.
    ///
    /// - Returns: The section; nil if enough are known.
    func section(window: Int?) -> QueueSection? {
        guard farther > 0, nearest.count < window ?? .max else { return nil }
        let limit = window.map { max($0, Self.chunk) }
        return QueueSection(ranges: role.obstacles(in: name), end: end, limit: limit, count: farther)
    }

    /// Takes what a look has shown.
    ///
    /// - Parameters:
    ///   - entries: Those that are there of the ones that were known.
    ///   - section: The answers to ``section(window:)``; nil if there was nothing to read.
    /// - Throws: ``QueueBlocked`` if one of them cannot be waited for.
    mutating func note(_ entries: [KeyValue], _ section: [RangeResponse]?) throws(QueueBlocked) {
        let known = Dictionary(nearest.map { ($0.key, $0.createRevision) }) { first, _ in first }
        nearest = entries.filter { entry in
            // One that was deleted and put again comes behind.
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
