// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ShardCoordinator: in a store that was restored from a backup", .cluster, .timeLimit(.minutes(3)))
struct ShardRestorationTests {
    /// The backup knows `a` as the owner of all, and perhaps `b` as a member that has no shard yet.
    @Test("after a short time no shard has two owners, and all are owned", arguments: [0, 1000])
    func restored(growth: Int) async throws {
        try await RestorableStore.lend { store in
            try await withEtcdClient(endpoints: store.proxy.endpoint) { other in
                let logs = [ShardLog(), ShardLog()]
                let members = try [("a", store.client), ("b", other)].enumerated().map { number, member in
                    try ShardCoordinator(
                        "s",
                        shards: .numbered(12),
                        memberID: member.0,
                        client: member.1,
                        timeToLive: .seconds(60),
                        onEvent: { logs[number].report($0) }
                    )
                }
                let first = Task { try await members[0].run(idle) }
                try await eventually("a has all") { members[0].owned.count == 12 }
                try await store.save()
                let second = Task { try await members[1].run(idle) }
                try await eventually("both have their shares") { Self.areSettled(members) }
                let old = members.flatMap(\.owned)
                #expect(logs.allSatisfy { $0.losses.isEmpty })
                try await store.restore(growingBy: growth)
                // In the backup, the shards of b still belong to a, on a live lease.
                try await eventually(within: .seconds(60), "a has noticed") {
                    logs[0].losses == [.revisionRegressed]
                }
                try await eventually(within: .seconds(60), "all are owned anew") {
                    let owned = members.flatMap(\.owned)
                    return Self.areSettled(members)
                        && !owned.contains { shard in old.contains { $0.ownership.session === shard.ownership.session }
                        }
                }
                #expect(old.allSatisfy { !$0.isHeld })
                let owners = try await members[0].owners()
                for (number, member) in members.enumerated() {
                    for shard in member.owned {
                        let owner = try #require(owners.first { $0.shard == shard.id })
                        #expect(owner.fencingToken == shard.fencingToken && owner.member == ["a", "b"][number])
                    }
                }
                for task in [first, second] { task.cancel() }
                for task in [first, second] { try await task.value }
                #expect(try await store.witness.range(.prefix("s/")).count == 0)
            }
        }
    }

    /// Each has what it should, and nothing else.
    private static func areSettled(_ members: [ShardCoordinator]) -> Bool {
        let targets = ShardAssignment.owners(
            of: members[0].shards.map { Key($0) },
            among: members.map { Key($0.memberID) }
        )
        return members.allSatisfy { member in
            Set(member.owned.map { Key($0.id) }) == Set(targets.filter { $0.value == Key(member.memberID) }.keys)
        }
    }
}
