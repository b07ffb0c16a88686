// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ShardCoordinator: members in trouble", .cluster, .timeLimit(.minutes(2)))
struct ShardFaultTests {
    @Test(
        "a member without permission to put the keys of shards gets an error, and keeps nothing",
        arguments: [1, 200]
    )
    func permission(shardCount: Int) async throws {
        let permissions = [Permission(.read, .prefix("s/")), Permission(.readWrite, .prefix("s/members/"))]
        try await withAuthenticatingEtcd(permissions) { root, worker in
            let log = ShardLog()
            let shards = try ShardCoordinator(
                "s",
                shards: .numbered(shardCount),
                memberID: "a",
                client: worker,
                onEvent: { log.report($0) }
            )
            await expectError(.permissionDenied) { try await shards.run(idle) }
            #expect(log.contains { if case .joined = $0 { true } else { false } }, "the control: it may join")
            #expect(log.failures.isEmpty && shards.owned.isEmpty)
            #expect(try await root.range(.prefix("s/")).count == 0)
            // With the permission, it runs.
            try await root.auth.roles.grant(Permission(.readWrite, .prefix("s/")), to: "worker")
            let task = Task { try await shards.run(idle) }
            try await eventually("it has all") { shards.owned.count == shardCount }
            task.cancel()
            try await task.value
        }
    }

    @Test("a member that loses permission to read cancels its bodies, and gives shards up once they have ended")
    func endOfMirror() async throws {
        try await withAuthenticatingEtcd([Permission(.readWrite, .prefix("s/"))]) { root, worker in
            let shards = try ShardCoordinator("s", shards: .named(["x", "y"]), memberID: "a", client: worker)
            // Whether the shard was still owned when its body had ended, and the time that this took.
            let ends = Lock<[String: Bool]>([:])
            let task = Task {
                try await shards.run { shard in
                    _ = try? await idle(shard)
                    // The rest of the work takes a while.
                    await withoutCancellation { await Task.pause(for: .seconds(1)) }
                    let isThere = await Task { try? await root.get(shard.key) }.value != nil
                    ends.withLock { $0[shard.id] = isThere }
                }
            }
            try await eventually("it has both") { shards.owned.count == 2 }
            // It may still end its lease, for which it has to be allowed to write.
            try await root.auth.roles.revoke(.prefix("s/"), from: "worker")
            try await root.auth.roles.grant(Permission(.write, .prefix("s/")), to: "worker")
            await expectError(.permissionDenied) { try await task.value }
            #expect(ends.withLock { $0 } == ["x": true, "y": true])
            try await eventually("others can have them") {
                try await root.range(.prefix("s/")).count == 0
            }
        }
    }

    @Test("a body that never ends keeps its member from its own shard only", arguments: [false, true])
    func stuck(losesLease: Bool) async throws {
        try await withLiveClient { client, name in
            let log = ShardLog()
            let (isStuck, starts) = (Lock(true), Lock<[String: Int]>([:]))
            let shards = try ShardCoordinator(
                "\(name)",
                shards: .numbered(6),
                memberID: "a",
                client: client,
                drainTime: .milliseconds(200),
                onEvent: { log.report($0) }
            )
            let first = Task {
                try await shards.run { shard in
                    starts.withLock { $0[shard.id, default: 0] += 1 }
                    if shard.id == "3" { await ignoreCancellation(while: isStuck) }
                    try await idle(shard)
                }
            }
            try await eventually("a has all") { shards.owned.count == 6 && starts.withLock { $0.count == 6 } }
            let entry = try #require(try await client.range(.prefix(name + "/members/")).entries.first)
            if losesLease {
                try await client.leases.revoke(try #require(entry.lease))
            } else {
                try await client.delete(entry.key)
            }
            try await eventually("it has all others again") {
                Set(shards.owned.map(\.id)) == ["0", "1", "2", "4", "5"] && starts.withLock { $0.values.sum == 11 }
            }
            #expect(log.overruns == ["3"] && starts.withLock { $0["3"] == 1 })
            #expect(try await client.get(name + "/owners/3") == nil, "it is free for others")
            // Another member gets its share, also that shard if it is in its share.
            let other = try ShardCoordinator("\(name)", shards: .numbered(6), memberID: "b", client: client)
            let second = Task { try await other.run(idle) }
            let targets = ShardAssignment.owners(of: shards.shards.map { Key($0) }, among: ["a", "b"])
            try await eventually("both have their shares, but for that shard") {
                let owned = Dictionary(uniqueKeysWithValues: (shards.owned + other.owned).map { ($0.id, $0) })
                return targets.allSatisfy { id, member in
                    id == "3" && member == "a" || owned["\(id)"] != nil
                }
            }
            second.cancel()
            try await second.value
            // The control: once the body has ended, the shard is owned again.
            isStuck.withLock { $0 = false }
            try await eventually("a has all again") {
                shards.owned.count == 6 && starts.withLock { $0["3"] == 2 }
            }
            first.cancel()
            try await first.value
        }
    }

    @Test("after an outage, a member does not wait for the end of its former lease")
    func ownLease() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let log = ShardLog()
            let shards = try ShardCoordinator(
                "s",
                shards: .numbered(5),
                memberID: "a",
                client: client.with(timeout: .seconds(1)),
                timeToLive: .seconds(60),
                onEvent: { log.report($0) }
            )
            let task = Task { try await shards.run(idle) }
            try await eventually("it has all") { shards.owned.count == 5 }
            let session = try #require(shards.owned.first?.ownership.session)
            await proxy.stall()
            // As at its deadline, without the wait for it.
            session.lifetime.end(CoordinationLoss(.deadline))
            try await eventually("it has left") { log.losses == [.deadline] }
            #expect(try await witness.range(.prefix("s/")).count == 6, "the control: its keys are there")
            await proxy.resume()
            await proxy.cut()
            try await eventually("it has all again") { shards.owned.count == 5 }
            #expect(log.waits == 0 && shards.owned.allSatisfy { $0.ownership.session !== session })
            #expect(try await witness.leases.list().count == 1)
            task.cancel()
            try await task.value
        }
    }

    @Test("an owner's key without a lease is reported once, and the other shards are owned")
    func strayOwner() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/owners/1", "somebody")
            let log = ShardLog()
            let shards = try ShardCoordinator(
                "\(name)",
                shards: .numbered(3),
                memberID: "a",
                client: client,
                onEvent: { log.report($0) }
            )
            let task = Task { try await shards.run(idle) }
            try await eventually("it has the others") { shards.owned.map(\.id) == ["0", "2"] }
            try await eventually("it says so") { log.failures.count == 1 }
            let error = try #require(log.failures.first as? EtcdError)
            #expect(error.message.contains("\(name)/owners/1 has no lease"), "\(error)")
            try await client.delete(name + "/owners/1")
            try await eventually("it has all") { shards.owned.count == 3 }
            #expect(log.failures.count == 1)
            task.cancel()
            try await task.value
        }
    }

    /// A member that shares three shards, and its events.
    private func member(_ client: EtcdClient) throws -> (ShardCoordinator, ShardLog) {
        let log = ShardLog()
        let shards = try ShardCoordinator(
            "s",
            shards: .numbered(3),
            memberID: "a",
            client: client,
            onEvent: { log.report($0) }
        )
        return (shards, log)
    }

    @Test("a member starts without etcd, reports the error, and gets its shards when etcd is there")
    func startWithoutEtcd() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            await proxy.stall()
            let (shards, log) = try member(client.with(timeout: .seconds(1)))
            let task = Task { try await shards.run(idle) }
            try await eventually("it says so") { !log.failures.isEmpty }
            #expect(shards.owned.isEmpty)
            await proxy.resume()
            await proxy.cut()
            try await eventually("it has all") { shards.owned.count == 3 }
            task.cancel()
            try await task.value
        }
    }

    @Test("without etcd, a member tries less and less often")
    func pauses() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            await proxy.stall()
            let (shards, log) = try member(client.with(timeout: .milliseconds(20)))
            let task = Task { try await shards.run(idle) }
            try await Task.sleep(for: .seconds(3))
            task.cancel()
            try await task.value
            // After pauses of 50, 80, 128 ms and so on; without them, there is room for 150.
            #expect((2...20).contains(log.failures.count), "\(log.failures.count)")
        }
    }

    @Test("a member stops in a bounded time without etcd, after its bodies have ended", .timeLimit(.minutes(2)))
    func stopWithoutEtcd() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let (starts, ends) = (Lock(0), Lock(0))
            let shards = try ShardCoordinator("s", shards: .numbered(8), memberID: "a", client: client)
            let task = Task {
                try await shards.run { shard in
                    starts.withLock { $0 += 1 }
                    _ = try? await idle(shard)
                    ends.withLock { $0 += 1 }
                }
            }
            try await eventually("it works on all") { starts.withLock { $0 } == 8 }
            await proxy.blackhole()
            let start = ContinuousClock.now
            task.cancel()
            try await task.value
            let time = ContinuousClock.now - start
            print("stopped after \(time)")
            #expect(ends.withLock { $0 } == 8)
            // A third of the time to live, for the keys of the shards.
            #expect(time < .seconds(12), "\(time)")
        }
    }
}

extension Collection<Int> {
    fileprivate var sum: Int { reduce(0, +) }
}
