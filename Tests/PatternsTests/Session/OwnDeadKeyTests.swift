// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// A place that is given up while etcd cannot be reached leaves its key behind, as long as its lease lives in the store.
@Suite("Session: its own old keys do not block it after an outage", .cluster, .timeLimit(.minutes(2)))
struct OwnDeadKeyTests {
    /// Longer than any wait of the test.
    private static let timeToLive = Duration.seconds(60)

    /// Lends a client, and what makes an outage in which `body` gives up keys, which is over when all attempts to delete
    /// them have failed.
    private func run(
        _ body: (
            _ client: EtcdClient, _ witness: EtcdClient, _ outage: (() async throws -> Void) async throws -> Void
        ) async throws -> Void
    ) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let client = client.with(timeout: .seconds(1))
            try await body(client, witness) { giveUp in
                let keys = try await witness.range(.all).entries.filter { $0.lease != nil }.map(\.key)
                await proxy.blackhole()
                try await giveUp()
                // Nothing is tried for longer than a call may take.
                try await Task.sleep(for: client.timeout * 2)
                await proxy.resume()
                await proxy.cut()
                for key in keys { #expect(try await witness.get(key) != nil, "the control: \(key) is there") }
                #expect(!keys.isEmpty)
            }
        }
    }

    /// As at the deadline of the session, which is not waited for here.
    private func lose(_ hold: Hold) async {
        hold.session.lifetime.end(CoordinationLoss(.deadline))
        await hold.release()
        #expect(hold.lifetime.loss != nil)
    }

    @Test("a lock that was lost or released, with a session of its own", arguments: [true, false])
    func lock(isLost: Bool) async throws {
        try await run { client, witness, outage in
            let lock = try DistributedLock("lock", on: .client(client, timeToLive: Self.timeToLive))
            let old = try await lock.acquire()
            try await outage { if isLost { await lose(old.hold) } else { await old.release() } }
            let grant = try await lock.acquire(timeout: .seconds(20))
            #expect(grant.isHeld && grant.fencingToken > old.fencingToken)
            #expect(try await witness.get(old.key) == nil)
            await grant.release()
        }
    }

    @Test("the only slot of a semaphore", arguments: [true, false])
    func semaphore(waits: Bool) async throws {
        try await run { client, witness, outage in
            let semaphore = try Semaphore("s", limit: 1, on: .client(client, timeToLive: Self.timeToLive))
            let old = try await semaphore.acquire()
            try await outage { await lose(old.hold) }
            #expect(
                try await Semaphore("s", limit: 1, on: .client(witness)).acquireIfAvailable() == nil,
                "it is another's"
            )
            try await eventually("etcd is reachable") { (try? await client.range(.key("k"))) != nil }
            let grant =
                waits ? try await semaphore.acquire(timeout: .seconds(20)) : try await semaphore.acquireIfAvailable()
            #expect(grant?.isHeld == true && grant?.number == 0)
            #expect(try await witness.get(old.key) == nil)
            await grant?.release()
        }
    }

    @Test("a barrier that the session has raised")
    func barrier() async throws {
        try await run { client, witness, outage in
            let barrier = try Barrier("gate", on: .client(client, timeToLive: Self.timeToLive))
            let old = try #require(try await barrier.raise())
            try await outage { await lose(old.hold) }
            try await eventually("etcd is reachable") { (try? await client.range(.key("k"))) != nil }
            let grant = try #require(try await barrier.raise())
            try await grant.lower()
            try await Barrier("gate", on: .client(witness)).wait(timeout: .seconds(10))
        }
    }

    @Test("a place in a double barrier, which would count for another participant")
    func doubleBarrier() async throws {
        try await run { client, witness, outage in
            let barrier = try DoubleBarrier("batch", count: 2, on: .client(client, timeToLive: Self.timeToLive))
            let old = Task { try await barrier.enter() }
            try await eventually("it waits") { try await witness.range(.prefix("batch/")).count == 1 }
            try await outage {
                old.cancel()
                _ = await old.result
            }
            let key = try await witness.range(.prefix("batch/")).entries.first?.key
            let first = Task { try await barrier.enter(timeout: .seconds(60)) }
            try await eventually("it waits again, alone") {
                let keys = try await witness.range(.prefix("batch/")).entries.map(\.key)
                return keys.count == 1 && keys.first != key
            }
            let second = try await DoubleBarrier("batch", count: 2, on: .client(witness)).enter(timeout: .seconds(20))
            let grant = try await first.value
            #expect(grant.isHeld && second.isHeld)
            await grant.release()
            await second.release()
        }
    }
}
