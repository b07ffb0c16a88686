// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@Suite("EntrySequence: page by page", .cluster, .timeLimit(.minutes(1)))
struct EntrySequenceTests {
    @Test(
        "all entries are of the revision of the first page, whatever is written meanwhile",
        arguments: [(1, 250), (7, 1_000), (1000, 2_500), (nil, 2_500)]
    )
    func onePinnedRevision(pageSize: Int?, count: Int) async throws {
        try await withLiveClient { client, prefix in
            try await fill(client, prefix, count: count)
            let range = KeyRange.prefix(prefix)
            let before = try await client.range(range).entries

            let entries = client.entries(in: range, pageSize: pageSize)
            var iterator = entries.makeAsyncIterator()
            var read = [try #require(try await iterator.next())]
            async let changes: Void = changeEveryThird(of: before, client)
            while let entry = try await iterator.next() { read.append(entry) }
            #expect(read == before)
            #expect(try await iterator.next() == nil)

            try await changes
            let again = try await collect(entries)
            #expect(again == (try await client.range(range).entries))
            #expect(again != before)
        }
    }

    @Test("a limit holds for all pages together", arguments: [1, 6, 7, 8, 14, 20, 50])
    func limit(limit: Int) async throws {
        try await withLiveClient { client, prefix in
            try await fill(client, prefix, count: 20)
            var options = RangeOptions()
            options.limit = limit
            let all = try await client.range(.prefix(prefix)).entries
            let read = try await collect(client.entries(in: .prefix(prefix), pageSize: 7, options: options))
            #expect(read == Array(all.prefix(limit)))
        }
    }

    @Test("the other options hold for every page, except those that do not apply")
    func options() async throws {
        try await withLiveClient { client, prefix in
            let revision = try await fill(client, prefix, count: 20)
            let range = KeyRange.prefix(prefix)
            let all = try await client.range(range).entries
            for entry in all.prefix(15) { try await client.put(entry.key, "new") }
            func read(_ set: (inout RangeOptions) -> Void) async throws -> [KeyValue] {
                var options = RangeOptions()
                set(&options)
                return try await collect(client.entries(in: range, pageSize: 3, options: options))
            }
            #expect(try await read { $0.revision = revision } == all)
            #expect(try await read { $0.keysOnly = true }.map(\.key) == all.map(\.key))
            #expect(try await read { $0.keysOnly = true }.allSatisfy { $0.value == "" })
            #expect(try await read { $0.maxModRevision = revision } == Array(all.suffix(5)))
            #expect(try await read { $0.minModRevision = revision.next }.map(\.key) == all.prefix(15).map(\.key))
            let ignored = try await read {
                $0.sort = .descending(by: .key)
                $0.countOnly = true
            }
            #expect(ignored == (try await client.range(range).entries))
        }
    }

    @Test("pages end between keys that differ in a zero byte, and at the ends of every form of range")
    func pageEnds() async throws {
        try await withLiveClient { client, prefix in
            let names: [Key] = ["a", "a\0", "a\0\0", "a\u{1}", "b"]
            for name in names { try await client.put(prefix + name, "x") }
            let (first, end) = (prefix + "a\0", prefix + "b")
            let ranges: [(KeyRange, [Key])] = [
                (.prefix(prefix), names),
                (.prefix(first), Array(names[1...2])),
                (.between(first, end), Array(names[1...3])),
                (.between(end, first), []),
                (.key(first), [names[1]]),
                (.key(prefix + "missing"), []),
            ]
            for (range, expected) in ranges {
                for pageSize in [0, 1, 2, 100] {
                    let read = try await collect(client.entries(in: range, pageSize: pageSize))
                    #expect(read.map(\.key) == expected.map { prefix + $0 }, "\(range), \(pageSize) a page")
                }
            }
        }
    }

    @Test("an iteration whose revision is compacted away throws, and a new one works")
    func compacted() async throws {
        try await withPrivateEtcd { client, _ in
            try await fill(client, "", count: 10)
            let entries = client.entries(in: .all, pageSize: 4)
            var iterator = entries.makeAsyncIterator()
            _ = try await iterator.next()
            let revision = try await client.put("zzz", "new").header.revision
            try await client.compact(at: revision)
            // The page that was already read is still returned.
            for _ in 2...4 { _ = try #require(try await iterator.next()) }
            await expectError(.compacted) { try await iterator.next() }
            await expectError(.compacted) { try await iterator.next() }
            #expect(try await collect(entries).count == 11)
        }
    }

    // MARK: Helpers

    /// Puts `count` entries, each with its own value, and returns the revision of the last.
    @discardableResult
    private func fill(_ client: EtcdClient, _ prefix: Key, count: Int) async throws -> Revision {
        var revision: Revision = 0
        for start in stride(from: 0, to: count, by: 100) {
            let puts = (start..<min(start + 100, count)).map { number in
                TransactionOperation.put(prefix + "\(number + 1_000_000)", "\(number)")
            }
            revision = try await client.transaction(then: puts).header.revision
        }
        return revision
    }

    /// Changes or deletes every third entry, and gives it a neighbour.
    private func changeEveryThird(of entries: [KeyValue], _ client: EtcdClient) async throws {
        for (index, entry) in entries.enumerated() where index % 3 == 0 {
            try await client.put(entry.key + "+", "new")
            if index % 2 == 0 { try await client.delete(entry.key) } else { try await client.touch(entry.key) }
        }
    }

    private func collect(_ entries: EntrySequence) async throws -> [KeyValue] {
        var all: [KeyValue] = []
        for try await entry in entries { all.append(entry) }
        return all
    }
}
