// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("SortedEntries", .unit)
struct SortedEntriesTests {
    private func entry(_ number: Int, revision: Int) -> KeyValue {
        var entry = KeyValue()
        entry.key = "k/\(number)" as Key
        entry.modRevision = Revision(rawValue: Int64(revision))
        return entry
    }

    @Test("random changes have the outcome that a dictionary has, and copies stay as they were")
    func model() {
        var random = SplitMix64(seed: 1)
        var entries = SortedEntries()
        var model: [Key: KeyValue] = [:]
        var copies: [(SortedEntries, [Key: KeyValue])] = []
        for step in 1...20_000 {
            let entry = entry(.random(in: 0..<3000, using: &random), revision: step)
            // It grows, shrinks and grows again.
            let isPut = Int.random(in: 0..<10, using: &random) < (step / 5000 == 2 ? 1 : 7)
            if isPut {
                #expect(entries.put(entry) == model.updateValue(entry, forKey: entry.key))
            } else {
                #expect(entries.remove(entry.key) == model.removeValue(forKey: entry.key))
            }
            if step % 2500 == 0 { copies.append((entries, model)) }
        }
        copies.append((entries, model))
        for (entries, model) in copies {
            #expect(entries.count == model.count)
            #expect(Array(entries) == model.values.sorted { $0.key < $1.key })
            for number in 0..<3000 {
                let key = "k/\(number)" as Key
                if entries[key] != model[key] { Issue.record("\(key)") }
            }
        }
        // Each difference leads from one copy to the next.
        for (old, new) in zip(copies, copies.dropFirst()) {
            let change = MirrorChange(from: old.0, to: new.0, at: 1)
            var replica = old.0
            for entry in change.deletions { #expect(replica.remove(entry.key) == entry) }
            for put in change.puts { #expect(replica.put(put.entry) == put.previous) }
            #expect(Array(replica) == Array(new.0))
            #expect(change.puts.allSatisfy { $0.entry != $0.previous })
        }
    }

    @Test("entries that come in order, and in the reverse order, are all there")
    func orders() {
        let all = (100_000..<102_000).map { entry($0, revision: $0) }
        #expect(Array(SortedEntries(all)) == all)
        #expect(Array(SortedEntries(all.reversed())) == all)
    }

    @Test("a part of a view has the entries of its range, in order")
    func parts() {
        let all = (100_000..<102_000).map { entry($0, revision: $0) }
        let view = MirrorView(range: .prefix("k/"), revision: 1, content: SortedEntries(all))
        #expect(view.entries(in: .prefix("k/1005")).map(\.key) == all[500..<600].map(\.key))
        #expect(view.entries(in: .key("k/100512")).map(\.key) == ["k/100512"])
        #expect(view.entries(in: .key("k/1005")).map(\.key) == [])
        #expect(view.entries(in: .between("k/1005", "k/101")).map(\.key) == all[500..<1000].map(\.key))
        #expect(view.entries(in: .from("k/1019")).count { _ in true } == 100)
        #expect(view.entries(in: .all).count { _ in true } == 2000)
        #expect(view.entries(in: .between("k/2", "k/1")).count { _ in true } == 0)
        #expect(view.entries(in: .prefix("z")).count { _ in true } == 0)
        #expect(view["k/101999"] == all.last)
        #expect(view["k/102000"] == nil)
        #expect(view["a"] == nil)
        let empty = MirrorView(range: .all, revision: 1, content: SortedEntries())
        #expect(empty.isEmpty && Array(empty).isEmpty && empty["k"] == nil)
    }

    @Test("a change does not copy all of 100,000 entries, also while a copy is held")
    func cost() {
        var entries = SortedEntries((100_000..<200_000).map { entry($0, revision: 1) })
        var held = entries
        let start = ContinuousClock.now
        for number in stride(from: 100_000, to: 200_000, by: 10) {
            held = entries
            entries.put(entry(number, revision: 2))
        }
        #expect(held.count == entries.count)
        // To copy all each time would be 10,000 times 100,000 entries.
        #expect(start.duration(to: .now) < .seconds(20))
    }
}
