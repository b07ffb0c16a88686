// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("KeyRange", .cluster, .timeLimit(.minutes(1)))
struct KeyRangeTests {
    /// A range of the API, and which keys it has, expressed without etcd's `key` and `range_end`.
    private enum Sample: CustomStringConvertible {
        case key([UInt8])
        case prefix([UInt8])
        case between([UInt8], [UInt8])
        case from([UInt8])
        case all

        var range: KeyRange {
            switch self {
            case .key(let key): .key(Key(bytes: key))
            case .prefix(let prefix): .prefix(Key(bytes: prefix))
            case .between(let first, let end): .between(Key(bytes: first), Key(bytes: end))
            case .from(let first): .from(Key(bytes: first))
            case .all: .all
            }
        }

        func means(_ key: [UInt8]) -> Bool {
            switch self {
            case .key(let only): key == only
            case .prefix(let prefix): key.starts(with: prefix)
            case .between(let first, let end):
                !key.lexicographicallyPrecedes(first) && key.lexicographicallyPrecedes(end)
            case .from(let first): !key.lexicographicallyPrecedes(first)
            case .all: true
            }
        }

        var description: String {
            switch self {
            case .key(let key): "key \(key)"
            case .prefix(let prefix): "prefix \(prefix)"
            case .between(let first, let end): "between \(first) and \(end)"
            case .from(let first): "from \(first)"
            case .all: "all"
            }
        }
    }

    /// Error-prone ends, and random ones.
    private static func samples(_ random: inout SplitMix64) -> [Sample] {
        let corners: [[UInt8]] = [
            [], [0], [0, 0], [0, 1], [1], [0xfe], [0xfe, 0xff], [0xff], [0xff, 0], [0xff, 0xff],
        ]
        let ends = corners + (0..<20).map { _ in random.key(upTo: 3) }
        var samples: [Sample] = [.all] + ends.flatMap { [.prefix($0), .from($0)] }
        samples += ends.filter { !$0.isEmpty }.map { .key($0) }
        for first in corners { samples += corners.map { .between(first, $0) } }
        for _ in 0..<50 { samples.append(.between(random.key(upTo: 3), random.key(upTo: 3))) }
        return samples
    }

    @Test("a range contains the same keys here and at the server", arguments: [1, 2])
    func model(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let keys = Set((0..<200).map { _ in random.key(upTo: 4) } + [[0], [0xff], [0xff, 0xff]]).sorted {
            $0.lexicographicallyPrecedes($1)
        }
        let samples = Self.samples(&random)
        try await withPrivateEtcd { client, _ in
            for chunk in stride(from: 0, to: keys.count, by: 100) {
                try await client.transaction(
                    then: keys[chunk..<min(chunk + 100, keys.count)].map { .put(Key(bytes: $0), "x") }
                )
            }
            var options = RangeOptions()
            options.keysOnly = true
            for sample in samples {
                let expected = keys.filter(sample.means)
                #expect(expected.isEmpty || !sample.range.isEmpty, "\(sample)")
                #expect(keys.filter { sample.range.contains(Key(bytes: $0)) } == expected, "\(sample)")
                let response = try await client.range(sample.range, options: options)
                #expect(response.entries.map(\.key.bytes) == expected, "\(sample) at the server")
            }
        }
    }

    @Test("a deletion of a range without keys deletes nothing")
    func deleteNothing() async throws {
        try await withPrivateEtcd { client, _ in
            for key: Key in ["\0", "a", "b"] { try await client.put(key, "x") }
            let empty: [KeyRange] = [
                .between("", ""), .between("", "\0"), .between("\0", "\0"), .between("\0", ""), .between("b", "a"),
                .between("b", "b"), .between("b", ""), .between("b", "\0"),
            ]
            for range in empty {
                #expect(range.isEmpty)
                #expect(try await client.delete(range).deleted == 0, "\(range)")
                // Together with a put, whose key etcd compares with the range.
                let response = try await client.transaction(then: [.delete(range), .put("b", "y")])
                #expect(response.succeeded)
            }
            #expect(try await client.range(.all).count == 3)
        }
    }

    @Test("no range of one key contains the empty key")
    func emptyKey() async throws {
        try await withLiveClient { client, _ in
            await expectError(.emptyKey) { try await client.range(.key("")) }
            await expectError(.emptyKey) { try await client.delete(.key("")) }
        }
    }

    @Test("a range is described in words")
    func description() {
        #expect(KeyRange.key("a").description == "key a")
        #expect(KeyRange.prefix("a/").description == "prefix a/")
        #expect(KeyRange.from("a").description == "keys from a")
        #expect(KeyRange.between("a", "c").description == "keys from a to c")
    }
}

extension SplitMix64 {
    /// A key of few different bytes, so that keys and ends of ranges often meet.
    fileprivate mutating func key(upTo length: Int) -> [UInt8] {
        let alphabet: [UInt8] = [0, 1, 0x61, 0xfe, 0xff]
        return (0..<Int.random(in: 1...length, using: &self)).map { _ in alphabet[Int.random(in: 0..<5, using: &self)] }
    }
}
