// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Namespace: keys", .cluster, .timeLimit(.minutes(1)))
struct NamespaceMappingTests {
    private static let prefixes = [[0x61], [0x61, 0xff], [0xff, 0xff], [0x61, 0x00], [0x00], [0x61, 0x2f, 0x62]]
        .map { Key(bytes: $0) }

    @Test("a range without an end ends where the namespace does, also if the last bytes cannot be incremented")
    func ends() throws {
        func end(_ prefix: [UInt8], _ range: KeyRange = .all) throws -> [UInt8] {
            try #require(Namespace(prefix: Key(bytes: prefix))).entered(range).end
        }
        #expect(try end([0x61]) == [0x62])
        #expect(try end([0x61, 0xff]) == [0x62])
        #expect(try end([0x61, 0xff, 0xff, 0x01]) == [0x61, 0xff, 0xff, 0x02])
        #expect(try end([0xff, 0xff]) == [0])
        #expect(try end([0x61], .from("x")) == [0x62])
        #expect(try end([0x61], .prefix("\u{7f}")) == [0x61, 0x80])
        #expect(try end([0x61], .prefix(Key(bytes: [0xff]))) == [0x62])
        #expect(try end([0x61], .between("x", "y")) == [0x61, 0x79])
        #expect(try end([0x61], .key("x")) == [])
        #expect(Namespace(prefix: "") == nil)
    }

    @Test("a range in a namespace contains the same keys as its range outside, for random ranges and keys")
    func ranges() throws {
        var random = SplitMix64(seed: 39)
        for prefix in Self.prefixes {
            let namespace = try #require(Namespace(prefix: prefix))
            for _ in 0..<2000 {
                let range = KeyRange.random(&random)
                let outer = namespace.entered(range)
                let key = Bool.random(using: &random) ? prefix + .random(&random) : .random(&random)
                let inner = namespace.inner(key.bytes).map(Key.init(bytes:))
                let isWithin = key.hasPrefix(prefix) && key != prefix
                #expect((inner != nil) == isWithin)
                #expect(outer.contains(key) == (inner.map(range.contains) ?? false), "\(range) \(key) in \(prefix)")
                if let inner { #expect(prefix + inner == key) }
            }
        }
    }

    @Test("a view of a real store matches the model, whole and page by page, and deletes nothing else")
    func views() async throws {
        try await withPrivateEtcd { client, _ in
            var random = SplitMix64(seed: 40)
            var keys: Set<Key> = ["a", Key(bytes: [0x61, 0xff]), Key(bytes: [0x61, 0xff, 0xff]), "b", "a/b", "a/b0"]
            while keys.count < 120 { keys.insert(.random(&random)) }
            for prefix in Self.prefixes {
                for key in keys { try await client.put(key, Value(bytes: key.bytes)) }
                let view = client.with(namespace: prefix)
                #expect(view.namespace == prefix)
                let all = try await client.range(.all).entries
                let inside = all.filter { $0.key.hasPrefix(prefix) && $0.key != prefix }
                for _ in 0..<40 {
                    let range = KeyRange.random(&random)
                    let expected = inside.filter { range.contains($0.key.without(prefix)) }
                    let response = try await view.range(range)
                    #expect(response.entries.map { prefix + $0.key } == expected.map(\.key), "\(range) in \(prefix)")
                    #expect(response.entries.map(\.value) == expected.map(\.value))
                    #expect(response.count == Int64(expected.count))
                    var paged: [Key] = []
                    for try await entry in view.entries(in: range, pageSize: 3) { paged.append(prefix + entry.key) }
                    #expect(paged == expected.map(\.key), "\(range) in \(prefix)")
                }
                let range = KeyRange.random(&random)
                let part = try await view.delete(range, returningPrevious: true).previous.map { prefix + $0.key }
                #expect(part == inside.map(\.key).filter { range.contains($0.without(prefix)) })
                let rest = try await view.delete(.all, returningPrevious: true).previous.map { prefix + $0.key }
                #expect((part + rest).sorted() == inside.map(\.key))
                #expect(try await client.range(.all).entries == all.filter { !inside.contains($0) })
            }
        }
    }

    @Test("an answer with a key outside the namespace is refused")
    func foreignKeys() throws {
        let namespace = try #require(Namespace(prefix: "a/"))
        for key: Key in ["b/x", "a", "a/", ""] {
            var entry = KeyValue()
            entry.key = key
            #expect(throws: EtcdError.self) { try namespace.leave(&entry) }
            #expect(entry.key == key)
        }
        var entry = KeyValue()
        entry.key = "a/x"
        try namespace.leave(&entry)
        #expect(entry.key == "x")
    }
}

extension Namespace {
    fileprivate func entered(_ range: KeyRange) -> KeyRange { range.entering(self) }
}

extension Key {
    /// Bytes at the boundaries, so that many keys are neighbours.
    fileprivate static func random(_ random: inout SplitMix64) -> Key {
        let alphabet: [UInt8] = [0x00, 0x01, 0x2f, 0x61, 0x62, 0xfe, 0xff, 0xff]
        let count = Int.random(in: 1...4, using: &random)
        return Key(bytes: (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 })
    }

    fileprivate func without(_ prefix: Key) -> Key { Key(bytes: Array(bytes.dropFirst(prefix.bytes.count))) }
}

extension KeyRange {
    fileprivate static func random(_ random: inout SplitMix64) -> KeyRange {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: .all
        case 1: .key(.random(&random))
        case 2: .from(.random(&random))
        case 3: .between(.random(&random), .random(&random))
        case 4: .between("", .random(&random))
        default: .prefix(.random(&random))
        }
    }
}
