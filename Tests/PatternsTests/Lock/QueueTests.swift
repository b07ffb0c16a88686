// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Queue", .cluster, .timeLimit(.minutes(2)))
struct QueueTests {
    @Test("a key without a lease, which would be waited for without end, is an error that names it")
    func foreignKey() async throws {
        try await withSession { session, folder in
            let name = folder + "/lock"
            let lock = try DistributedLock("\(name)", on: .session(session))
            let readWriteLock = try ReadWriteLock("\(name)", on: .session(session))
            try await session.client.put(name + "/stray", "")
            for acquire in [
                { try await lock.acquire(timeout: .seconds(20)) },
                { try await lock.acquireIfAvailable() },
                { try await lock.withLockIfAvailable { $0 } },
                { try await readWriteLock.reading.acquire(timeout: .seconds(20)) },
                { try await readWriteLock.reading.acquireIfAvailable() },
            ] as [@Sendable () async throws -> LockGrant?] {
                let error = await #expect(throws: QueueBlocked.self) { _ = try await acquire() }
                #expect(error?.key == name + "/stray" && error?.name == "\(name)")
                #expect(error?.description.contains("\(name)/stray") == true)
            }
            await #expect(throws: QueueBlocked.self) {
                try await LockManager("\(folder)", on: .session(session)).acquireIfAvailable(["free", "lock"])
            }
            #expect(try await lock.queue().map(\.lease) == [nil])
            try await session.client.delete(name + "/stray")
            await (try await lock.acquire()).release()
        }
    }

    @Test("a waiter behind another one that a key without a lease blocks gets the error, too")
    func behindAnother() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let holder = try await lock.acquire()
            try await session.client.put(name + "/stray", "")
            // One that goes on waiting, as Go's lock does.
            let other = name + "/\(session.lease.id)"
            try await session.client.put(other, "", lease: session.lease.id)
            let error = await #expect(throws: QueueBlocked.self) { try await lock.acquire(timeout: .seconds(20)) }
            #expect(error?.key == name + "/stray")
            // The holder is not the one that blocks.
            #expect(try await lock.acquireIfAvailable() == nil)
            await holder.release()
            await #expect(throws: QueueBlocked.self) { try await lock.acquireIfAvailable() }
            try await session.client.delete(.prefix(name + "/"))
        }
    }

    @Test("a waiter gets an error when the key before it loses its lease")
    func lostLease() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let holder = try await lock.acquire()
            let waiter = Task { try await lock.acquire() }
            try await eventually("it waits") { try await lock.queue().count == 2 }
            try await session.client.put(holder.key, "")
            await #expect(throws: QueueBlocked.self) { try await waiter.value }
            try await session.client.delete(holder.key)
        }
    }

    @Test("a waiter whose key was deleted, and put again by another, is no waiter any more")
    func replacedKey() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let holder = try await lock.acquire()
            let queue = FairQueue(session: session, name: name)
            let queueKey = queue.queueKey(.exclusive, "")
            var before = try await queue.join(queueKey)
            let revision = try await queue.look(queueKey, &before)
            try await session.client.delete(queueKey.key)
            try await session.client.put(queueKey.key, "", lease: session.lease.id)
            await holder.release()
            let loss = await #expect(throws: CoordinationLoss.self) {
                try await queue.approach(queueKey, &before, after: revision)
            }
            #expect(loss?.reason == .keyDeleted)
            try await session.client.delete(queueKey.key)
        }
    }

    @Test("a guarded transaction cannot change the queue that it depends on")
    func ownQueue() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let put = TransactionOperation.put(name + "/state", "")
            try await lock.withLock { grant in
                for operations in [
                    [put], [.delete(name + "/state")], [.delete(.prefix(name))], [.touch(grant.key)],
                    [.transaction(if: [.exists("x")], then: [], else: [put])],
                ] as [[TransactionOperation]] {
                    await expectError(.invalidArgument) { try await grant.guarded(then: operations) }
                    await expectError(.invalidArgument) {
                        try await grant.guarded(if: [.exists("x")], then: [], else: operations)
                    }
                }
                // Keys outside the queue can be written, and the queue can be read.
                try await grant.guarded(then: [.put(name, ""), .put(name + "-state", ""), .range(.prefix(name + "/"))])
            }
            // So the lock can be had a second time.
            #expect(try await lock.withLockIfAvailable { _ in true } == true)

            let semaphore = try Semaphore("\(name + "-s")", limit: 2, on: .session(session))
            try await semaphore.withSlot { grant in
                for key in ["/slots/1/x", "/queue/x"] as [Key] {
                    await expectError(.invalidArgument) { try await grant.guarded(then: [.put(name + "-s" + key, "")]) }
                }
                try await grant.guarded(then: [.put(name + "-s/data", "")])
            }
            let election = try LeaderElection("\(name + "-e")", candidate: "", on: .session(session))
            let term = try await election.campaign()
            await expectError(.invalidArgument) { try await term.guarded(then: [.put(name + "-e/state", "")]) }
            try await term.proclaim("still possible")
            #expect(try await election.leader()?.value == "still possible")
            await term.resign()
            try await LockManager("\(name + "-m")", on: .session(session)).withLocks(["a", "b"]) { locks in
                await expectError(.invalidArgument) { try await locks.guarded(then: [.put(name + "-m/b/x", "")]) }
            }
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("etcd that does not answer is told from a lock that somebody holds")
    func cause() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client.with(timeout: .seconds(1)), timeToLive: .seconds(60))
            let lock = try DistributedLock("lock", on: .session(session))
            let grant = try await DistributedLock("lock", on: .client(witness)).acquire()
            let held = await expectBusy { try await lock.acquire(timeout: .seconds(2)) }
            #expect(held?.name == "lock" && held?.waited == .seconds(2) && held?.cause == nil)
            await proxy.stall()
            let silent = await #expect(throws: EtcdError.self) { try await lock.acquire(timeout: .seconds(3)) }
            #expect(silent?.code == .unavailable, "\(silent as Any)")
            let cause = (silent?.cause as? EtcdError)?.code
            #expect(cause == .ambiguous || cause?.isTransient == true, "\(silent as Any)")
            await proxy.resume()
            await grant.release()
            await session.close()
        }
    }

    @Test("a release finds its way past an endpoint that does not answer, and the session stays")
    func silentEndpoint() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { silent in
                try await withFaultProxy(to: endpoint) { other in
                    try await withEtcdClient(endpoints: "\(silent.endpoint),\(other.endpoint)") { client in
                        try await client.withSession(timeToLive: .seconds(6)) { session in
                            var grants: [LockGrant] = []
                            for number in 0..<4 {
                                grants.append(
                                    try await DistributedLock("lock-\(number)", on: .session(session)).acquire()
                                )
                            }
                            let before = await silent.counters.bytesToClient
                            #expect(before > 0, "the control: it was in use")
                            await silent.blackhole()
                            await withTaskGroup(of: Void.self) { group in
                                for grant in grants { group.addTask { await grant.release() } }
                            }
                            #expect(session.isAlive)
                            #expect(try await client.range(.prefix("lock-")).count == 0)
                        }
                    }
                }
            }
        }
    }

    @Test("a holder whose watch reports the deletion of its key is lost without a further read")
    func deletionIsProof() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let witness = try EtcdClient(endpoints: endpoint)
                let session = try await Session(client, timeToLive: .seconds(60))
                let grant = try await DistributedLock("lock", on: .session(session)).acquire()
                // It watches; from now on, its requests do not arrive.
                let member = try #require(cluster.members.first)
                try await eventually("it watches") {
                    try await member.metric("etcd_debugging_mvcc_watcher_total") == 1
                }
                await proxy.stall(.toServer)
                #expect(grant.isHeld)
                try await witness.delete(grant.key)
                #expect(try await grant.lost.reason == .keyDeleted)
                #expect(session.isAlive, "the control: the lease has time")
                await proxy.resume()
                await session.close()
                await client.close()
                await witness.close()
            }
        }
    }
}
