// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("KnownKeys", .unit, .timeLimit(.minutes(1)))
struct KnownKeysTests {
    private func entry(_ key: Key, _ revision: Revision) -> KeyValue {
        var entry = KeyValue()
        entry.key = key
        entry.modRevision = revision
        return entry
    }

    @Test("puts and deletions update the known keys")
    func events() {
        var known = KnownKeys()
        known.note("a", at: 3)
        known.note(WatchEvent(putOf: entry("b", 4)))
        known.note(WatchEvent(deletionOf: "a", at: 5))
        known.note(WatchEvent(putOf: entry("b", 6)))
        #expect(known.count == 1)
        #expect(known.contains(entry("b", 6)))
        #expect(!known.contains(entry("b", 4)))
        #expect(!known.contains(entry("a", 3)))
    }

    @Test("the difference deletes each known key that is missing, in the order of keys")
    func deletions() {
        var (known, present) = (KnownKeys(), KnownKeys())
        for key in ["d", "b", "c", "a"] as [Key] { known.note(key, at: 2) }
        present.note("b", at: 9)
        present.note("e", at: 9)
        let deletions = known.deletions(comparedTo: present, at: 10)
        #expect(deletions.map(\.key) == ["a", "c", "d"])
        #expect(deletions.allSatisfy { $0.kind == .delete && $0.revision == 10 })
    }
}
