// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Queue: the keys before one", .unit, .timeLimit(.minutes(1)))
struct PredecessorsTests {
    /// A queue in memory, which answers as etcd does.
    private struct Store {
        var entries: [KeyValue] = []

        mutating func put(_ name: String, at revision: Int64, _ value: Value = "", lease: Int64 = 7, version: Int64 = 1)
        {
            var entry = KeyValue(Key("q/" + name), value, at: Revision(rawValue: revision))
            entry.leaseID = lease
            entry.version = version
            entries.append(entry)
        }

        func answers(_ operations: [TransactionOperation]) -> [RangeResponse] {
            operations.map { operation in
                var response = RangeResponse()
                guard let range = operation.request.range else { return response }
                var found = entries.filter { entry in
                    KeyRange(start: range.key, end: range.rangeEnd).contains(entry.key)
                        && (range.maxCreateRevision == 0 || entry.createRevision.rawValue <= range.maxCreateRevision)
                }
                found.sort { $0.createRevision > $1.createRevision }
                response.count = Int64(found.count)
                if range.limit > 0, found.count > range.limit {
                    found = Array(found.prefix(Int(range.limit)))
                    response.more = true
                }
                response.entries = found
                return response
            }
        }

        /// Looks once, and returns the requests.
        @discardableResult
        func look(_ before: inout Predecessors, window: Int? = 1) throws -> [TransactionOperation] {
            let points = before.nearest.map { TransactionOperation.get($0.key) }
            let section = before.section(window: window)
            try before.note(answers(points).flatMap(\.entries), section.map { answers($0.operations) })
            return points + (section?.operations ?? [])
        }
    }

    private func predecessors(_ count: Int, _ role: FairQueue.Role = .exclusive) -> Predecessors {
        Predecessors(farther: count, role: role, name: "q", end: 1000)
    }

    @Test("the nearest keys are read once, and then checked one by one; once they are gone, the next ones are read")
    func chunks() throws {
        var store = Store()
        for revision in 1...20 { store.put("\(revision)", at: Int64(revision)) }
        store.put("own", at: 1000)
        store.put("later", at: 1001)
        var before = predecessors(20)
        #expect(try store.look(&before).count == 1)
        #expect(before.nearest.map(\.createRevision.rawValue) == Array((13...20).reversed()))
        #expect(before.count == 20)
        // A waiter that gives up costs a read of each known key, and no range.
        store.entries.removeAll { $0.createRevision == 20 }
        let reads = try store.look(&before)
        #expect(reads.count == 8 && reads.allSatisfy { $0.request.range?.rangeEnd == [] })
        #expect(before.nearest.first?.createRevision == 19 && before.count == 19)
        // All that are known are gone.
        store.entries.removeAll { (5...19).contains($0.createRevision.rawValue) }
        try store.look(&before)
        #expect(before.nearest.isEmpty && before.farther == 12)
        let rest = try store.look(&before)
        #expect(rest.compactMap(\.request.range?.maxCreateRevision) == [12])
        #expect(before.nearest.map(\.createRevision.rawValue) == [4, 3, 2, 1] && before.farther == 0)
        store.entries.removeAll { $0.createRevision.rawValue < 1000 }
        try store.look(&before)
        #expect(before.count == 0)
        #expect(before.nearest.isEmpty && before.section(window: 1) == nil, "there is nothing to read any more")
    }

    @Test("a key that was deleted and put again is behind, not in front")
    func putAgain() throws {
        var store = Store()
        store.put("a", at: 1)
        store.put("b", at: 2)
        var before = predecessors(2)
        try store.look(&before)
        store.entries = []
        store.put("a", at: 1)
        store.put("b", at: 1002)
        try store.look(&before)
        #expect(before.nearest.map(\.key) == ["q/a"])
    }

    @Test("a reader waits for writers only, however many readers there are; not for those that have become readers")
    func readers() throws {
        var store = Store()
        store.put("w1", at: 1)
        for revision in 2...900 { store.put("shared-\(revision)", at: Int64(revision)) }
        store.put("w2", at: 901)
        store.put("w3", at: 902, "shared:owner", version: 2)
        var before = predecessors(3, .shared)
        try store.look(&before)
        #expect(before.nearest.map(\.key) == ["q/w2", "q/w1"] && before.farther == 0)
        store.entries.removeAll { $0.key == "q/w2" }
        store.put("zz", at: 3)
        try store.look(&before)
        #expect(before.nearest.map(\.key) == ["q/w1"], "an older key that appears later is not read")
        let ranges = FairQueue.Role.shared.obstacles(in: "q")
        #expect(ranges.contains { $0.contains("q/zz") } && ranges.contains { $0.contains("q/0") })
        #expect(!ranges.contains { $0.contains("q/shared-0") } && !ranges.contains { $0.contains("qq") })
    }

    @Test("of two ranges that are cut off, only the certain keys count as known", arguments: [5, 8, 9, 30])
    func twoRanges(count: Int) throws {
        var store = Store()
        for number in 0..<count {
            store.put("a\(number)", at: Int64(1 + 2 * number))
            store.put("z\(number)", at: Int64(2 + 2 * number))
        }
        var before = predecessors(2 * count, .shared)
        var seen: [Revision] = []
        while before.count > 0 {
            try store.look(&before)
            #expect(before.count >= store.entries.count, "never too few")
            guard let nearest = before.nearest.first else { continue }
            seen.append(nearest.createRevision)
            store.entries.removeAll { $0.key == nearest.key }
        }
        #expect(seen == (1...(2 * count)).reversed().map { Revision(rawValue: Int64($0)) })
    }

    @Test("a key without a lease, or of a nested name, is an error that names it")
    func blocked() throws {
        var store = Store()
        store.put("stray", at: 1, lease: 0)
        store.put("a", at: 2)
        var before = predecessors(2)
        let error = #expect(throws: QueueBlocked.self) { try store.look(&before) }
        #expect(error?.key == "q/stray" && error?.name == "q")
        store.entries = []
        store.put("inner/a", at: 1)
        var other = predecessors(1)
        #expect(throws: QueueBlocked.self) { try store.look(&other) }
    }

    @Test("a window is kept full as long as there are enough keys", arguments: [1, 2, 20])
    func windows(window: Int) throws {
        var store = Store()
        for revision in 1...40 { store.put("\(revision)", at: Int64(revision)) }
        var before = predecessors(40)
        while before.count >= window {
            try store.look(&before, window: window)
            // If a known key is gone, the next look reads others.
            if before.nearest.count < window { try store.look(&before, window: window) }
            #expect(before.nearest.count >= min(window, store.entries.count))
            #expect(before.count >= store.entries.count)
            store.entries.removeAll { $0.key == before.nearest.first?.key }
        }
        #expect(store.entries.count < window, "the control: it is not left early")
        var all = predecessors(40)
        store.entries = []
        for revision in 1...40 { store.put("\(revision)", at: Int64(revision)) }
        try store.look(&all, window: nil)
        #expect(all.nearest.count == 40 && all.farther == 0)
    }

    @Test("each section of a shared read equals a read of its own, or the beginning of it")
    func sections() throws {
        var generator = SplitMix64(seed: 7)
        var (cutOff, short) = (0, 0)
        for _ in 0..<300 {
            var store = Store()
            let length = Int64.random(in: 1...60, using: &generator)
            for revision in 2...length + 1 {
                if Bool.random(using: &generator) { continue }
                store.put(["a", "shared-", "z"].randomElement(using: &generator)! + "\(revision)", at: revision)
            }
            let role = Bool.random(using: &generator) ? FairQueue.Role.shared : .exclusive
            let sections = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
                let end = Int64.random(in: 2...length + 2, using: &generator)
                return QueueSection(
                    ranges: role.obstacles(in: "q"),
                    end: Revision(rawValue: end),
                    limit: Int.random(in: 0...9, using: &generator) == 0
                        ? nil : Int.random(in: 1...5, using: &generator),
                    // More or less wrong.
                    count: Int(Int64.random(in: 0...end, using: &generator))
                )
            }
            let covering = try #require(sections.first).covering(Array(sections.dropFirst()))
            let answer = store.answers(covering.operations)
            for section in sections {
                let alone = store.answers(section.operations)
                guard let part = section.part(of: answer) else {
                    cutOff += 1
                    #expect(section.end < covering.end, "the latest is served")
                    continue
                }
                for (part, alone) in zip(part, alone) {
                    #expect(alone.entries.starts(with: part.entries) && part.entries.isEmpty == alone.entries.isEmpty)
                    let isAll = part.entries.count == alone.entries.count
                    #expect(part.more == (alone.more || !isAll))
                    if !isAll { short += 1 }
                }
            }
        }
        #expect(cutOff > 0 && short > 0, "the control: the limit had an effect")
    }
}
