// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@Suite("RangeOptions", .live, .timeLimit(.minutes(1)))
struct RangeOptionsTests {
    @Test("a limit cuts entries off, and the answer says that there are more, and how many in all")
    func limit() async throws {
        try await withLiveClient { client, prefix in
            for name: Key in ["a", "b", "c", "d", "e"] { try await client.put(prefix + name, "x") }
            for limit in 1...6 {
                let response = try await client.range(.prefix(prefix)) { $0.limit = limit }
                #expect(response.entries.count == min(limit, 5))
                #expect(response.more == (limit < 5))
                #expect(response.count == 5)
            }
            let all = try await client.range(.prefix(prefix))
            #expect(all.entries.count == 5 && !all.more && all.count == 5)
            let none = try await client.range(.prefix(prefix + "f"))
            #expect(none.entries.isEmpty && !none.more && none.count == 0)
            for limit in [0, -1] {
                await expectError(.invalidArgument) { try await client.range(.prefix(prefix)) { $0.limit = limit } }
            }
            await expectError(.invalidArgument) { try await client.get(prefix, at: -1) }
        }
    }

    @Test("keysOnly leaves the values out and nothing else")
    func keysOnly() async throws {
        try await withLiveClient { client, prefix in
            let revision = try await client.put(prefix + "k", "value").header.revision
            let response = try await client.range(.prefix(prefix)) { $0.keysOnly = true }
            let entry = try #require(response.entries.first)
            #expect(entry.key == prefix + "k" && entry.value == "")
            #expect(entry.modRevision == revision && entry.version == 1)
            #expect(try await client.range(.prefix(prefix)).entries.first?.value == "value")
        }
    }

    @Test("countOnly returns the number of entries without entries")
    func countOnly() async throws {
        try await withLiveClient { client, prefix in
            for name: Key in ["a", "b", "c"] { try await client.put(prefix + name, "x") }
            let response = try await client.range(.prefix(prefix)) { $0.countOnly = true }
            #expect(response.entries.isEmpty)
            #expect(response.count == 3)
        }
    }

    @Test("a range at a revision is the range of that time")
    func revision() async throws {
        try await withLiveClient { client, prefix in
            try await client.put(prefix + "a", "1")
            let then = try await client.put(prefix + "b", "1").header.revision
            try await client.put(prefix + "a", "2")
            try await client.delete(prefix + "b")
            let past = try await client.range(.prefix(prefix)) { $0.revision = then }
            #expect(past.entries.map(\.value) == ["1", "1"])
            #expect(past.header.revision > then)
            await expectError(.futureRevision) {
                try await client.range(.prefix(prefix)) { $0.revision = Revision(rawValue: 1 << 40) }
            }
        }
    }

    @Test("entries are sorted by each target, both ways", arguments: RangeOptions.Sort.Target.allCases)
    func sort(target: RangeOptions.Sort.Target) async throws {
        try await withLiveClient { client, prefix in
            try await putSample(client, prefix)
            let expected =
                switch target {
                case .key: "abcd"
                case .version: "badc"
                case .createRevision: "cadb"
                case .modRevision: "dbca"
                case .value: "bdac"
                }
            func names(_ sort: RangeOptions.Sort, limit: Int? = nil) async throws -> String {
                let response = try await client.range(.prefix(prefix)) {
                    $0.sort = sort
                    $0.limit = limit
                }
                #expect(response.more == (limit != nil))
                return response.entries.map { String(decoding: $0.key.bytes.suffix(1), as: UTF8.self) }.joined()
            }
            #expect(try await names(.ascending(by: target)) == expected)
            #expect(try await names(.descending(by: target)) == String(expected.reversed()))
            #expect(try await names(.ascending(by: target), limit: 2) == String(expected.prefix(2)))
            #expect(try await names(.descending(by: target), limit: 2) == String(expected.reversed().prefix(2)))
        }
    }

    @Test("each bound of revisions leaves out the entries beyond it (bug class: options mapped to the wrong field)")
    func revisionBounds() async throws {
        try await withLiveClient { client, prefix in
            try await putSample(client, prefix)
            let all = try await client.range(.prefix(prefix)).entries
            func read(_ set: (inout RangeOptions) -> Void) async throws -> [KeyValue] {
                let response = try await client.range(.prefix(prefix), set)
                #expect(response.count == 4, "the bounds do not count")
                return response.entries
            }
            for bound in all {
                let (created, changed) = (bound.createRevision, bound.modRevision)
                let minCreated = try await read { $0.minCreateRevision = created }
                #expect(minCreated == all.filter { $0.createRevision >= created })
                let maxCreated = try await read { $0.maxCreateRevision = created }
                #expect(maxCreated == all.filter { $0.createRevision <= created })
                let minChanged = try await read { $0.minModRevision = changed }
                #expect(minChanged == all.filter { $0.modRevision >= changed })
                let maxChanged = try await read { $0.maxModRevision = changed }
                #expect(maxChanged == all.filter { $0.modRevision <= changed })
            }
        }
    }

    /// Four entries whose order is another one by each target.
    private func putSample(_ client: EtcdClient, _ prefix: Key) async throws {
        let values: [Key: Value] = ["a": "3", "b": "1", "c": "4", "d": "2"]
        for name: Key in ["c", "a", "d", "d", "d", "b", "c", "c", "c", "a"] {
            try await client.put(prefix + name, values[name] ?? "")
        }
    }
}

extension EtcdClient {
    /// Reads a range with options that `set` sets.
    fileprivate func range(_ range: KeyRange, _ set: (inout RangeOptions) -> Void) async throws -> RangeResponse {
        var options = RangeOptions()
        set(&options)
        return try await self.range(range, options: options)
    }
}
