// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The owner of a key", .unit, .timeLimit(.minutes(2)))
struct GroupViewTests {
    @Test("hashes and weights are those of all versions")
    func vectors() {
        // Computed by another implementation, in Python.
        #expect(RendezvousHash.hash("".utf8) == 0xefd0_1f60_ba99_2926)
        #expect(RendezvousHash.hash("a".utf8) == 0x82a2_a958_a9be_ce5b)
        #expect(RendezvousHash.hash("worker-1".utf8) == 0x47e7_3c9b_4c3c_6e74)
        #expect(RendezvousHash.weight(1, 2) == 0x0b51_81c5_09f8_d8ce)
        #expect(view(["a", "b", "c"]).owner(of: "customer-7")?.id == "a")
    }

    @Test("of 100,000 keys, all agree, each member has its share, and who goes leaves only what was its own")
    func keys() {
        let ids = (1...10).map { "worker-\($0)" }
        let keys = (0..<100_000).map { Key("customer-\($0)") }
        let (view, same) = (view(ids), view(ids.reversed()))
        let fewer = self.view(ids.filter { $0 != "worker-4" })
        var counts: [String: Int] = [:]
        for key in keys {
            let owner = view.owner(of: key)?.id ?? ""
            counts[owner, default: 0] += 1
            #expect(same.owner(of: key)?.id == owner)
            let next = fewer.owner(of: key)?.id
            if owner == "worker-4" { #expect(next != "worker-4") } else { #expect(next == owner) }
        }
        #expect(counts.count == 10)
        // 95 is the standard deviation.
        #expect(counts.values.allSatisfy { abs($0 - 10_000) < 500 }, "\(counts)")
    }

    @Test("an empty group owns nothing; a majority is more than half")
    func edges() {
        #expect(view([]).owner(of: "k") == nil)
        #expect(view(["a", "b"])["b"]?.id == "b" && view(["a"])["b"] == nil)
        #expect(!view(["a", "b"]).isMajority(of: 4) && view(["a", "b", "c"]).isMajority(of: 4))
    }

    @Test("each ID has one member, the first in its queue; a key without a lease is none, nor is any key behind it")
    func queues() {
        func entry(_ key: Key, _ revision: Int64, lease: Int64?) -> KeyValue {
            var entry = KeyValue()
            (entry.key, entry.createRevision) = (key, Revision(rawValue: revision))
            entry.leaseID = lease ?? 0
            return entry
        }
        let entries = [
            entry("g/members/a/2-x", 7, lease: 2), entry("g/members/a/1-x", 5, lease: 1),
            entry("g/members/b/stray", 4, lease: nil), entry("g/members/b/3-x", 6, lease: 3),
            entry("g/members/c/stray", 9, lease: nil), entry("g/members/c/4-x", 8, lease: 4),
            entry("g/members/d/stray", 1, lease: nil), entry("g/members/e", 2, lease: 5),
        ]
        for entries in [entries, entries.reversed()] {
            let view = GroupView(epoch: 10, entries: entries, behind: "g/members/")
            #expect(view.members.map(\.id) == ["a", "c"] && view.members.map(\.token) == [5, 8])
            #expect(view.members.map(\.lease) == [1, 4].map { Lease.ID(rawValue: $0) })
        }
    }

    private func view(_ ids: [String]) -> GroupView {
        GroupView(epoch: 1, members: ids.map { GroupMember(id: $0, value: "", token: 1, lease: Lease.ID(rawValue: 1)) })
    }
}
