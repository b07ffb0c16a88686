// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Two hundred shards and ten members under faults.
///
/// For longer, and with other things: `scripts/pattern-run.sh --run shards`.
@Suite("ShardCoordinator: members that come and go", .cluster)
struct ShardChurnTests {
    private static let shardCount = 200

    @Test("no shard ever has two owners, and all are owned again soon", .timeLimit(.minutes(PatternRun.minutes)))
    func run() async throws {
        var random = SplitMix64(seed: PatternRun.seed)
        try await withMembers(10) { cluster, witness, members, history in
            let start = try await witness.range(.key("s")).header.revision
            for member in members { try member.join() }
            try await settle(members)
            let end = ContinuousClock.now + .seconds(PatternRun.seconds ?? 8)
            var faults = 0
            while .now < end {
                let chosen = members.shuffled(using: &random).prefix(.random(in: 1...3, using: &random))
                for member in chosen {
                    faults += 1
                    try await harm(member, .random(in: 0..<6, using: &random))
                }
                let freezes = Int.random(in: 0..<4, using: &random) == 0
                if freezes { await cluster.members[0].freeze() }
                // Shorter and longer than the leases live.
                try await Task.sleep(for: .milliseconds(.random(in: 100...800, using: &random)))
                if freezes { cluster.members[0].thaw() }
                try await Task.sleep(for: .milliseconds(.random(in: 0...2500, using: &random)))
                for member in chosen {
                    await member.proxy.resume()
                    // A connection that has lost bytes is of no use any more. Its owner would notice it in a quarter of
                    // a minute.
                    await member.proxy.cut()
                    if !member.isThere { try member.join() }
                }
            }
            let healed = ContinuousClock.now
            try await settle(members)
            print("\(faults) faults, \(history.count) ownerships, all owned again after \(.now - healed)")
            for member in members { try await member.leave() }
            #expect(try await witness.range(.prefix("s/owners/")).count == 0)

            #expect(history.overlaps == [])
            let replay = try await ShardReplay(witness, "s", after: start)
            #expect(replay.violations == [])
            // The control: shards have moved, and were written.
            #expect(replay.ownerships > Self.shardCount * 2 && history.count > Self.shardCount * 2)
            #expect(replay.writes > Self.shardCount)
        }
    }

    private func harm(_ member: ChurnMember, _ kind: Int) async throws {
        switch kind {
        case 0: try await member.leave()
        case 1: await member.crash()
        case 2: await member.proxy.stall()
        case 3: await member.proxy.stall(.toClient)
        case 4: await member.proxy.blackhole()
        default: await member.proxy.reset()
        }
    }

    @Test("when a member goes or comes, few other shards move, and none twice", .timeLimit(.minutes(3)))
    func moves() async throws {
        // A lease that a slow machine renews, too, since a member that loses it joins again.
        try await withMembers(10, timeToLive: .seconds(30)) { _, witness, members, history in
            let start = try await witness.range(.key("s")).header.revision
            try members[0].join()
            try await settle(Array(members.prefix(1)))
            for member in members.dropFirst() { try member.join() }
            try await settle(members)
            // The store's history says how often shards have changed hands until here.
            var ownerships = try await ShardReplay(witness, "s", after: start).ownerships
            var (moved, needed) = (0, 0)
            for member in members.prefix(2) {
                let before = Self.owners(members)
                needed += before.values.count { $0 == Key(member.id) }
                try await member.leave()
                try await settle(members)
                let without = Self.owners(members)
                moved += before.count { without[$0.key] != $0.value }
                try member.join()
                try await settle(members)
                #expect(Self.owners(members) == before)
                needed += before.values.count { $0 == Key(member.id) }
                moved += before.count { without[$0.key] != $0.value }
                // Each move is one ownership more.
                ownerships += 2 * before.count { without[$0.key] != $0.value }
            }
            print("\(moved) moved, \(needed) had to: \(Double(moved) / Double(needed))")
            #expect(moved >= needed && Double(moved) < Double(needed) * 1.3)
            #expect(history.overlaps == [])
            let replay = try await ShardReplay(witness, "s", after: start)
            #expect(replay.violations == [] && replay.ownerships == ownerships)
            for member in members { try await member.leave() }
        }
    }

    @Test(
        "the control: an owner whose shard is taken while it is cut off is detected, and cannot write",
        .timeLimit(.minutes(2))
    )
    func theft() async throws {
        try await withMembers(2, timeToLive: .seconds(20)) { _, witness, members, history in
            let start = try await witness.range(.key("s")).header.revision
            for member in members { try member.join() }
            try await settle(members)
            let stolen = try #require(members[0].owned.first)
            await members[0].proxy.stall()
            // Like an operator who believes that the member is dead.
            try await witness.delete(.prefix("s/members/m0/"))
            try await witness.delete(.prefix("s/owners/"))
            try await eventually("the other has it") { members[1].owned.contains { $0.id == stolen.id } }
            try await eventually("the checker finds it") { !history.overlaps.isEmpty }
            #expect(stolen.isHeld, "the old owner still believes that it holds the shard")
            await members[0].proxy.resume()
            await #expect(throws: CoordinationLoss.self) { try await stolen.guarded(then: [.put("s/data/x", "")]) }
            for member in members { try await member.leave() }
            #expect(try await ShardReplay(witness, "s", after: start).violations == [])
            // The other checker, too: a put over an owner, and one under another's token.
            try await witness.put("s/owners/1", "m0")
            try await witness.put("s/owners/1", "m1")
            try await witness.put("s/data/1", "7")
            #expect(try await ShardReplay(witness, "s", after: start).violations.count == 2)
        }
    }

    // MARK: The field

    private func withMembers(
        _ count: Int,
        timeToLive: Duration = .seconds(3),
        _ body: (EtcdCluster, EtcdClient, [ChurnMember], OwnershipHistory) async throws -> Void
    ) async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            let history = OwnershipHistory()
            var members: [ChurnMember] = []
            for number in 0..<count {
                let id = "m\(number)"
                members.append(try await ChurnMember(id, "s", Self.shardCount, timeToLive, to: endpoint, history))
            }
            try await withEtcdClient(endpoints: endpoint) { witness in
                try await body(cluster, witness, members, history)
            }
            for member in members { await member.crash() }
        }
    }

    /// Waits until the present members have their shares.
    private func settle(_ members: [ChurnMember]) async throws {
        let present = members.filter(\.isThere).map { Key($0.id) }
        let shards = (0..<Self.shardCount).map { Key("\($0)") }
        let targets = ShardAssignment.owners(of: shards, among: present)
        try await eventually(within: .seconds(40), "all shards are where they belong") {
            Self.owners(members) == targets
        }
    }

    private static func owners(_ members: [ChurnMember]) -> [Key: Key] {
        var owners: [Key: Key] = [:]
        for member in members {
            for shard in member.owned { owners[Key(shard.id)] = Key(member.id) }
        }
        return owners
    }
}
