// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

@Suite("Queues of locks", .timeLimit(.minutes(2)))
struct QueueTests {
    @Test("a key without a lease, which would be waited for without end, is an error that names it")
    func foreignKey() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock(name, session: session)
            try await session.client.put(name + "/stray", "")
            let error = await #expect(throws: EtcdError.self) { try await lock.acquire(timeout: .seconds(20)) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("\(name)/stray") == true, "\(error as Any)")
            #expect(try await lock.acquireIfAvailable() == nil)
            #expect(try await lock.queue().map(\.lease) == [nil])
            try await session.client.delete(name + "/stray")
            await (try await lock.acquire()).release()
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
                                grants.append(try await DistributedLock("lock-\(number)", session: session).acquire())
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

    @Test("a holder that hears of the deletion of its key asks nobody whether that is true")
    func deletionIsProof() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let witness = try EtcdClient(endpoints: endpoint)
                let session = try await Session(client, timeToLive: .seconds(60))
                let grant = try await DistributedLock("lock", session: session).acquire()
                // It watches; from now on, what it asks does not arrive.
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
