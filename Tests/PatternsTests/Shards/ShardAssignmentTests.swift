// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ShardAssignment", .unit, .timeLimit(.minutes(2)))
struct ShardAssignmentTests {
    @Test(
        "every shard has an owner, no member has too many, and few shards move that need not",
        arguments: [(10, 200), (20, 1000), (3, 12), (5, 64), (2, 7), (7, 5)]
    )
    func change(memberCount: Int, shardCount: Int) {
        let shards = (0..<shardCount).map { Key("\($0)") }
        var (moved, needed) = (0, 0)
        for trial in 0..<10 {
            let members = (0..<memberCount).map { Key("member-\(trial)-\($0)") }
            let before = ShardAssignment.owners(of: shards, among: members)
            #expect(before == ShardAssignment.owners(of: shards.reversed(), among: members.reversed()))
            let after = ShardAssignment.owners(of: shards, among: Array(members.dropFirst()))
            for (owners, count) in [(before, memberCount), (after, memberCount - 1)] {
                #expect(owners.count == shardCount)
                let loads = Dictionary(grouping: owners.values) { $0 }.mapValues(\.count)
                let average = Double(shardCount) / Double(count)
                #expect(Double(loads.values.max() ?? 0) < average * 1.125 + 1, "\(loads)")
            }
            // The shards of the first one have to move when it goes; as many, to it, when it comes.
            needed += before.values.count { $0 == members[0] }
            moved += shards.count { before[$0] != after[$0] }
        }
        print("\(shardCount) shards, \(memberCount) members: \(moved) moved, \(needed) had to")
        #expect(Double(moved) <= Double(needed) * 1.2 + 5)
        // The control: with an assignment by remainder, nearly all move.
        if memberCount == 10 {
            let moved = (0..<shardCount).count { $0 % memberCount != $0 % (memberCount - 1) + 1 }
            #expect(moved > shardCount * 3 / 4)
        }
    }

    @Test("the owners of shards equal those of another implementation", arguments: ShardVector.all)
    func vectors(vector: ShardVector) {
        let owners = ShardAssignment.owners(of: vector.shards, among: vector.members)
        let digits = vector.shards.map { shard in
            vector.members.firstIndex { $0 == owners[shard] }.map { String($0, radix: 36) } ?? "?"
        }
        #expect(digits.joined() == vector.owners)
        #expect(vector.owners.count == vector.shards.count)
    }

    @Test("no members, one member, and capacities")
    func edges() {
        #expect(ShardAssignment.owners(of: ["1"], among: []).isEmpty)
        #expect(ShardAssignment.owners(of: [], among: ["a"]).isEmpty)
        #expect(ShardAssignment.owners(of: ["1", "2"], among: ["a"]) == ["1": "a", "2": "a"])
        #expect(ShardAssignment.capacity(shards: 200, members: 10) == 23)
        #expect(ShardAssignment.capacity(shards: 80, members: 10) == 9)
    }
}
