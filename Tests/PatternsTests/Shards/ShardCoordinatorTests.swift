// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ShardCoordinator", .live, .timeLimit(.minutes(2)))
struct ShardCoordinatorTests {
    private struct Failure: Error {}

    /// Runs until its task is cancelled.
    private static let idle: @Sendable (Shard) async throws -> Void = { _ in
        try await Task.sleep(for: .seconds(3600))
    }

    @Test("members divide all shards, hand off the shards of new members, and leave no keys behind")
    func division() async throws {
        try await withLiveClient { client, name in
            let shards = try ["a", "b", "c"].map {
                try ShardCoordinator("\(name)", shards: .numbered(30), memberID: $0, client: client)
            }
            var tasks = [Task { try await shards[0].run(Self.idle) }]
            try await eventually("one has all") { shards[0].owned.count == 30 }
            for number in 1...2 { tasks.append(Task { try await shards[number].run(Self.idle) }) }
            try await eventually("all are owned, and spread") { Self.areSpread(shards) }
            let owners = try await shards[1].owners()
            #expect(owners.map(\.shard) == (0..<30).map { "\($0)" })
            for (owner, target) in zip(owners, Self.targets(30, ["a", "b", "c"])) {
                #expect(owner.member == target.map { "\($0)" })
            }
            for shard in shards[2].owned {
                let owner = try #require(owners.first { $0.shard == shard.id })
                #expect(owner.member == "c" && owner.fencingToken == shard.fencingToken)
                #expect(shard.isHeld && shard.remaining > .zero)
            }
            tasks[0].cancel()
            try await tasks[0].value
            #expect(shards[0].owned.isEmpty)
            try await eventually("the others have all") { Self.areSpread(Array(shards[1...])) }
            for task in tasks { task.cancel() }
            for task in tasks { try await task.value }
            #expect(try await client.range(.prefix(name)).count == 0)
            #expect(try await shards[0].owners().allSatisfy { $0.member == nil && $0.fencingToken == nil })
        }
    }

    /// All shards are owned, each by one, and nobody has more than its share.
    private static func areSpread(_ shards: [ShardCoordinator]) -> Bool {
        let owned = shards.map { $0.owned.map(\.id) }
        let count = shards.first?.shards.count ?? 0
        let capacity = ShardAssignment.capacity(shards: count, members: shards.count)
        return owned.joined().count == count && Set(owned.joined()).count == count
            && owned.allSatisfy { $0.count <= capacity }
    }

    private static func targets(_ count: Int, _ members: [Key]) -> [Key?] {
        let shards = (0..<count).map { Key("\($0)") }
        let owners = ShardAssignment.owners(of: shards, among: members)
        return shards.map { owners[$0] }
    }

    @Test("a shard that goes is still owned while its body ends, and the next body starts after that")
    func handOff() async throws {
        try await withLiveClient { client, name in
            let log = Lock<[String]>([])
            let body: @Sendable (String, Shard) async throws -> Void = { member, shard in
                log.withLock { $0.append("\(shard.id) begins at \(member)") }
                try? await Task.sleep(for: .seconds(3600))
                // The work that is left when the shard goes: it takes a while, and needs the shard.
                let task = Task { try await Task.sleep(for: .milliseconds(200)) }
                try await task.value
                let flush = Task { try await shard.guarded(then: [.put(name + "/data", Value(member))]) }
                _ = try await flush.value
                log.withLock { $0.append("\(shard.id) ends at \(member)") }
            }
            let (a, b) = (
                try ShardCoordinator("\(name)", shards: .named(["s", "t"]), memberID: "a", client: client),
                try ShardCoordinator("\(name)", shards: .named(["s", "t"]), memberID: "b", client: client)
            )
            let first = Task { try await a.run { try await body("a", $0) } }
            try await eventually("a has both") { a.owned.count == 2 }
            let second = Task { try await b.run { try await body("b", $0) } }
            // Each has at most two of two: the weights decide.
            let owners = ShardAssignment.owners(of: ["s", "t"], among: ["a", "b"])
            let moved = ["s", "t"].filter { owners[Key($0)] == "b" }
            #expect(!moved.isEmpty, "the names are such that something moves")
            try await eventually("b has its own") {
                // A shard is owned before its body begins.
                b.owned.count == moved.count && log.withLock { $0.count { $0.hasSuffix("begins at b") } } == moved.count
            }
            for shard in moved {
                let lines = log.withLock { $0.filter { $0.hasPrefix(shard) } }
                #expect(lines == ["\(shard) begins at a", "\(shard) ends at a", "\(shard) begins at b"])
            }
            for task in [first, second] {
                task.cancel()
                try await task.value
            }
            #expect(log.withLock { $0.count { $0.contains("begins") } == $0.count { $0.contains("ends") } })
        }
    }

    @Test("a body that does not end when it is cancelled loses its shard after the drain time, and that is reported")
    func overrun() async throws {
        try await withLiveClient { client, name in
            let events = Lock<[ShardCoordinator.Event]>([])
            let isStuck = Lock(true)
            let (stubborn, other) = (
                try ShardCoordinator(
                    "\(name)",
                    shards: .named(["s", "t"]),
                    memberID: "a",
                    client: client,
                    drainTime: .milliseconds(100),
                    onEvent: { event in events.withLock { $0.append(event) } }
                ),
                try ShardCoordinator("\(name)", shards: .named(["s", "t"]), memberID: "b", client: client)
            )
            let first = Task {
                try await stubborn.run { shard in
                    // Until the other member has the shard.
                    await ignoreCancellation(while: isStuck)
                    await expectLoss(.released) { try await shard.guarded(then: [.put(name + "/data", "1")]) }
                }
            }
            try await eventually("a has both") { stubborn.owned.count == 2 }
            let second = Task { try await other.run(Self.idle) }
            try await eventually("b has what is its own") { !other.owned.isEmpty }
            #expect(events.withLock { $0.contains { if case .overran = $0 { true } else { false } } })
            first.cancel()
            try await eventually("b has all") { other.owned.count == 2 }
            isStuck.withLock { $0 = false }
            try await first.value
            #expect(try await client.get(name + "/data") == nil)
            second.cancel()
            try await second.value
        }
    }

    @Test("the coordinator checks again once an overrun shard is given up")
    func overrunWakes() async throws {
        try await withLiveClient { client, name in
            try await client.withSession { session in
                let grant = try await DistributedLock("\(name + "/place")", on: .session(session)).acquire()
                let entry = try #require(try await client.get(grant.key))
                let coordinator = try ShardCoordinator(
                    "\(name)",
                    shards: .named(["s"]),
                    memberID: "a",
                    client: client,
                    drainTime: .milliseconds(10)
                )
                let (isBegun, isStuck, service) = (Lock(false), Lock(true), Lifetime())
                let work = ShardWork(coordinator) { _ in
                    isBegun.withLock { $0 = true }
                    await ignoreCancellation(while: isStuck)
                }
                let shard = ShardOwnership(of: "s", entry, on: grant.hold)
                let task = try #require(work.begin(shard, grant.hold))
                let running = Task {
                    await work.run {
                        _ = try? await service.lost()
                        return nil
                    }
                }
                try await eventually("the body runs") { isBegun.withLock { $0 } }
                task.handOff()
                // Without a wake-up after the release, this would wait for ever.
                for await _ in work.wakes where !work.isBusy { break }
                #expect(task.isReleased && isStuck.withLock { $0 })
                isStuck.withLock { $0 = false }
                service.end(CoordinationLoss(.closed))
                _ = await running.value
            }
        }
    }

    @Test("a body that throws is reported, and runs again with a new token; the others do not notice")
    func failure() async throws {
        try await withLiveClient { client, name in
            let events = Lock<[ShardCoordinator.Event]>([])
            let tokens = Lock<[Revision]>([])
            let shards = try ShardCoordinator("\(name)", shards: .numbered(5), memberID: "a", client: client) {
                event in
                events.withLock { $0.append(event) }
            }
            let task = Task {
                try await shards.run { shard in
                    if shard.id == "3" {
                        tokens.withLock { $0.append(shard.fencingToken) }
                        if tokens.withLock({ $0.count }) < 4 { throw Failure() }
                    }
                    try await Self.idle(shard)
                }
            }
            try await eventually("it has failed three times") {
                tokens.withLock { $0.count } == 4 && shards.owned.count == 5
            }
            let known = tokens.withLock { $0 }
            #expect(known == known.sorted() && Set(known).count == 4)
            let failures = events.withLock { events in
                events.count { if case .ended(let shard, is Failure) = $0 { shard.id == "3" } else { false } }
            }
            #expect(failures == 3)
            task.cancel()
            try await task.value
        }
    }

    enum Theft: CaseIterable {
        case shardKey, memberKey, lease
    }

    @Test(
        "a shard whose key is deleted, or all after the loss of the member, are lost, and owned again",
        arguments: Theft.allCases
    )
    func theft(theft: Theft) async throws {
        try await withLiveClient { client, name in
            let losses = Lock<[CoordinationLoss]>([])
            let shards = try ShardCoordinator("\(name)", shards: .numbered(5), memberID: "a", client: client) {
                event in
                if case .lost(_, let loss) = event { losses.withLock { $0.append(loss) } }
            }
            let task = Task { try await shards.run(Self.idle) }
            try await eventually("all are owned") { shards.owned.count == 5 }
            let old = shards.owned
            switch theft {
            case .shardKey: try await client.delete(old[2].key)
            case .memberKey: try await client.delete(.prefix(name + "/members/"))
            case .lease:
                let entry = try await client.get(old[2].key)
                try await client.leases.revoke(try #require(entry?.lease))
            }
            let count = theft == .shardKey ? 1 : 5
            try await eventually("they are owned again") {
                let kept = shards.owned.count { shard in old.contains { $0.fencingToken == shard.fencingToken } }
                return shards.owned.count == 5 && kept == 5 - count
            }
            #expect(old.count { !$0.isHeld } == count && losses.withLock { $0.count } == count)
            await #expect(throws: CoordinationLoss.self) { try await old[2].guarded(then: [.put(name + "/data", "1")]) }
            #expect(try await !client.transaction(if: [old[2].isCurrent], then: [.put(name + "/data", "1")]).succeeded)
            task.cancel()
            try await task.value
        }
    }

    @Test("two members of one client never own one shard both, and own all again when their places were deleted")
    func places() async throws {
        try await withLiveClient { client, name in
            let history = OwnershipHistory()
            let shards = try ["a", "b"].map {
                try ShardCoordinator("\(name)", shards: .numbered(12), memberID: $0, client: client)
            }
            let tasks = shards.map { member in
                Task {
                    try await member.run { shard in
                        history.begin(shard, at: member.memberID)
                        try await Self.idle(shard)
                    }
                }
            }
            try await eventually("all are owned, and spread") { Self.areSpread(shards) }
            for _ in 0..<3 {
                let old = Set(shards.flatMap(\.owned).map(\.fencingToken))
                try await client.delete(.prefix(name + "/members/"))
                try await eventually("all are owned anew") {
                    Self.areSpread(shards) && shards.flatMap(\.owned).allSatisfy { !old.contains($0.fencingToken) }
                }
            }
            for task in tasks { task.cancel() }
            for task in tasks { try await task.value }
            #expect(history.overlaps == [])
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("a member that is cancelled while it claims shards leaves no keys behind")
    func cancelledClaims() async throws {
        try await withLiveClient { client, name in
            let start = try await client.range(.key(name)).header.revision
            for _ in 0..<40 {
                let joined = BackgroundJob()
                // Keys that were left would stay for the minute that their lease lives.
                let shards = try ShardCoordinator(
                    "\(name)",
                    shards: .numbered(100),
                    memberID: "a",
                    client: client,
                    timeToLive: .seconds(60),
                    onEvent: { event in if case .joined = event { joined.finish() } }
                )
                let task = Task { try await shards.run(Self.idle) }
                #expect(await joined.wait(.seconds(30)))
                try await Task.sleep(for: .microseconds(.random(in: 0...5_000)))
                task.cancel()
                try await task.value
                try await eventually("no key is left") { try await client.range(.prefix(name)).count == 0 }
            }
            #expect(try await ShardReplay(client, name, after: start).ownerships > 0, "the control: some were claimed")
        }
    }

    @Test("a guarded transaction cannot write to the key of its shard")
    func reserved() async throws {
        try await withLiveClient { client, name in
            let shards = try ShardCoordinator("\(name)", shards: .numbered(1), memberID: "a", client: client)
            let task = Task { try await shards.run(Self.idle) }
            try await eventually("it is owned") { !shards.owned.isEmpty }
            let shard = try #require(shards.owned.first)
            await expectError(.invalidArgument) { try await shard.guarded(then: [.delete(shard.key)]) }
            // The control: other keys can be written.
            try await shard.guarded(then: [.delete(name + "/data")])
            #expect(shard.isHeld)
            task.cancel()
            try await task.value
        }
    }

    @Test("the shards of a member that comes back in time stay free for it")
    func restart() async throws {
        try await withLiveClient { client, name in
            func coordinator(_ id: String, _ grace: Duration) throws -> ShardCoordinator {
                try ShardCoordinator(
                    "\(name)",
                    shards: .numbered(20),
                    memberID: id,
                    client: client,
                    restartGrace: grace
                )
            }
            let (a, b) = (try coordinator("a", .seconds(60)), try coordinator("b", .seconds(60)))
            let first = Task { try await a.run(Self.idle) }
            var second = Task { try await b.run(Self.idle) }
            try await eventually("all are owned") { Self.areSpread([a, b]) }
            let tokens = Set(a.owned.map(\.fencingToken))
            second.cancel()
            try await second.value
            second = Task { try await b.run(Self.idle) }
            try await eventually("b has its shards again") { Self.areSpread([a, b]) }
            #expect(Set(a.owned.map(\.fencingToken)) == tokens, "nothing has moved")
            second.cancel()
            try await second.value
            first.cancel()
            try await first.value
            // The control: with a short grace, they go to the other.
            let short = try coordinator("a", .milliseconds(100))
            let third = Task { try await short.run(Self.idle) }
            second = Task { try await b.run(Self.idle) }
            try await eventually("all are owned") { Self.areSpread([short, b]) }
            second.cancel()
            try await second.value
            try await eventually("a has all") { short.owned.count == 20 }
            third.cancel()
            try await third.value
        }
    }

    @Test("members with different lists of shards divide all of them, and no shard has two owners")
    func otherShards() async throws {
        try await withLiveClient { client, name in
            let old = try ShardCoordinator("\(name)", shards: .numbered(10), memberID: "old", client: client)
            let new = try ShardCoordinator("\(name)", shards: .numbered(20), memberID: "new", client: client)
            let first = Task { try await old.run(Self.idle) }
            try await eventually("the old one has its shards") { old.owned.count == 10 }
            let second = Task { try await new.run(Self.idle) }
            try await eventually("the new one has the others") { new.owned.count == 10 }
            #expect(Set((old.owned + new.owned).map(\.id)).count == 20)
            first.cancel()
            try await first.value
            try await eventually("the new one has all") { new.owned.count == 20 }
            second.cancel()
            try await second.value
        }
    }

    @Test("a member takes and gives up more shards than a transaction may have operations")
    func many() async throws {
        try await withLiveClient { client, name in
            let shards = try ShardCoordinator("\(name)", shards: .numbered(500), memberID: "a", client: client)
            let task = Task { try await shards.run(Self.idle) }
            try await eventually("all are owned") { shards.owned.count == 500 }
            task.cancel()
            try await task.value
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("a second member with the same ID waits, and a coordinator runs once at a time")
    func twice() async throws {
        try await withLiveClient { client, name in
            let isWaiting = Lock(false)
            let first = try ShardCoordinator("\(name)", shards: .numbered(3), memberID: "a", client: client)
            let second = try ShardCoordinator("\(name)", shards: .numbered(3), memberID: "a", client: client) {
                event in
                if case .waitingForID = event { isWaiting.withLock { $0 = true } }
            }
            let tasks = [Task { try await first.run(Self.idle) }, Task { try await second.run(Self.idle) }]
            try await eventually("one has all") { first.owned.count + second.owned.count == 3 }
            await expectError(.invalidArgument) { try await first.run(Self.idle) }
            // Either of them may be first.
            let (running, waiting) = first.owned.isEmpty ? (1, 0) : (0, 1)
            try await eventually("the other waits") { waiting == 0 || isWaiting.withLock { $0 } }
            tasks[running].cancel()
            try await tasks[running].value
            try await eventually("the other has all") { [first, second][waiting].owned.count == 3 }
            tasks[waiting].cancel()
            try await tasks[waiting].value
        }
    }

    @Test("invalid arguments and a closed client are refused")
    func arguments() async throws {
        try await withLiveClient { client, name in
            for (name, count, id): (Key, Int, String) in [
                ("", 1, "a"), (name, 0, "a"), (name, 1, "a/b"), (name, 1, ""),
            ] {
                #expect(throws: EtcdError.self) {
                    try ShardCoordinator("\(name)", shards: .numbered(count), memberID: id, client: client)
                }
            }
            for shards: [String] in [["s", "s"], [""], []] {
                #expect(throws: EtcdError.self) {
                    try ShardCoordinator("\(name)", shards: .named(shards), memberID: "a", client: client)
                }
            }
            let closed = try EtcdClient(client.configuration)
            let shards = try ShardCoordinator("\(name)", shards: .numbered(1), memberID: "a", client: closed)
            await closed.close()
            await expectError(.clientClosed) { try await shards.run(Self.idle) }
        }
    }
}
