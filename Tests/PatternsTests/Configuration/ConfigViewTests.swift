// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ConfigView: a value", .unit, .timeLimit(.minutes(1)))
struct ConfigViewTests {
    private let layout: ConfigLayout

    init() throws { layout = try ConfigLayout("app") }

    private func view(_ values: [Key: Value], at revision: Revision = 5) -> ConfigView {
        ConfigView(ConfigState(values), at: revision, layout, isFromFile: false)
    }

    @Test("the changes between two states are in the order of keys, and limited to the part of a view")
    func changes() {
        var generator = SplitMix64(seed: 7)
        for _ in 0..<200 {
            func random() -> [Key: Value] {
                let keys: [Key] = ["a", "a/b", "a/b/c", "a-b", "a0", "b", "b/a"]
                let pairs = keys.filter { _ in Bool.random(using: &generator) }.map {
                    ($0, Value(String(Int.random(in: 0...1, using: &generator))))
                }
                return Dictionary(uniqueKeysWithValues: pairs)
            }
            let (old, new) = (random(), random())
            for part: Key? in [nil, "a", "b", "a/b"] {
                func isIn(_ key: Key) -> Bool { part.map { key == $0 || key.hasPrefix($0 + "/") } ?? true }
                let keys = Set(old.keys).union(new.keys).filter { isIn($0) && old[$0] != new[$0] }.sorted()
                let changes = view(new).changes(since: view(old, at: 4), under: part)
                #expect(changes.map(\.key) == keys)
                #expect(changes.map(\.old) == keys.map { old[$0] } && changes.map(\.new) == keys.map { new[$0] })
                #expect(changes.allSatisfy { $0.revision == 5 })
            }
        }
    }

    @Test("applying changes returns a view with the new values, and leaves the first one unchanged")
    func applying() {
        let old = view(["a": "1", "b": "2"])
        let new = old.applying(["a": nil, "c": "3", "d": nil, "b": "4"])
        #expect(new.values() == ["b": "4", "c": "3"] && old.values() == ["a": "1", "b": "2"])
    }

    @Test("after a restoration of the store, a state in effect is distinguished from another of the same revision")
    func restoredPointer() throws {
        var overlay = ConfigOverlay(layout: layout)
        func content(_ id: String, _ value: Value) throws -> MirrorView {
            let bytes = ConfigState(["a": value]).encoded
            let stored = StoredState(id: id, pieces: 1, sha256: ConfigState.sum(bytes))
            let entries = [
                KeyValue(layout.pointer, StoredJSON.encode(stored), at: 9),
                KeyValue(stored.piece(0, in: layout.stages), Value(bytes: bytes), at: 8),
            ]
            return MirrorView(range: layout.range, revision: 9, entries: entries)
        }
        for (id, value) in [("x", "1"), ("y", "2")] as [(String, Value)] {
            #expect(try overlay.view(of: content(id, value)).values() == ["a": value])
        }
    }
}
