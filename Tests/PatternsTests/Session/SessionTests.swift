// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("Session", .cluster, .timeLimit(.minutes(2)))
struct SessionTests {
    @Test("the lease outlives its time to live, and is gone with the session")
    func scope() async throws {
        try await withLiveClient { client, name in
            let control = try await client.leases.grant(timeToLive: .seconds(2))
            try await client.put(name + "/left", "", lease: control.id)
            try await client.withSession(timeToLive: .seconds(2)) { session in
                try await client.put(name + "/kept", "", lease: session.lease.id)
                try await eventually("a lease that is left alone runs out") {
                    try await client.get(name + "/left") == nil
                }
                #expect(session.isAlive)
                #expect((.zero...(.milliseconds(1_500))).contains(session.remaining), "\(session.remaining)")
                #expect(try await client.get(name + "/kept") != nil)
            }
            #expect(try await client.get(name + "/kept") == nil)
        }
    }

    @Test("waiters of a closed session get that reason, and its lease is revoked also in a cancelled task")
    func close() async throws {
        try await withLiveClient { client, name in
            let session = try await Session(client, timeToLive: .seconds(60))
            try await client.put(name, "", lease: session.lease.id)
            let waiter = Task { try await session.lost }
            let closing = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                await session.close()
            }
            await closing.value
            #expect(try await waiter.value.reason == .closed)
            #expect(!session.isAlive && session.remaining == .zero)
            #expect(try await client.get(name) == nil)
            await session.close()
        }
    }

    @Test("a lease that another client revokes is lost, and the body is cancelled")
    func revoked() async throws {
        try await withLiveClient { client, _ in
            let other = try EtcdClient(client.configuration)
            let loss = await expectLoss(.leaseEnded) {
                try await client.withSession(timeToLive: .seconds(3)) { session in
                    try await other.leases.revoke(session.lease.id)
                    try await Task.sleep(for: .seconds(50))
                }
            }
            #expect((loss?.cause?.cause as? EtcdError)?.code == .leaseNotFound, "\(String(describing: loss))")
            await other.close()
        }
    }

    @Test("a session that is dropped is closed")
    func dropped() async throws {
        try await withLiveClient { client, name in
            let kept = try await Session(client, timeToLive: .seconds(60))
            try await client.put(name + "/kept", "", lease: kept.lease.id)
            do {
                let session = try await Session(client, timeToLive: .seconds(60))
                try await client.put(name + "/dropped", "", lease: session.lease.id)
            }
            try await eventually("the lease is revoked") { try await client.get(name + "/dropped") == nil }
            #expect(try await client.get(name + "/kept") != nil)
            await kept.close()
        }
    }

    @Test("a session whose grant waits for a connection longer than the time to live is alive, and can be used")
    func lateGrant() async throws {
        try await withEtcdCluster { cluster in
            try await withFaultProxy(to: try #require(cluster.endpoints.first)) { proxy in
                await proxy.refuseConnections()
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    let opening = Task { try await Session(client, timeToLive: .seconds(3)) }
                    try await Task.sleep(for: .seconds(4))
                    try await proxy.acceptConnections()
                    let session = try await opening.value
                    #expect(session.isAlive)
                    let grant = try await DistributedLock("lock", on: .session(session)).acquire(timeout: .seconds(10))
                    #expect(grant.isHeld)
                    await grant.release()
                    await session.close()
                }
            }
        }
    }

    @Test("without answers a session is at risk, recovers, and is lost before the server ends the lease")
    func deadline() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                try await withEtcdClient(endpoints: endpoint) { witness in
                    try await withEtcdClient(endpoints: proxy.endpoint) { client in
                        let session = try await Session(client, timeToLive: .seconds(6))
                        var states = session.states.makeAsyncIterator()
                        try await witness.put("k", "", lease: session.lease.id)

                        await proxy.stall()
                        while let state = await states.next() {
                            if case .atRisk(let deadline, let cause) = state {
                                #expect(deadline > .now && cause != nil)
                                break
                            }
                        }
                        await proxy.resume()
                        while let state = await states.next() { if case .active = state { break } }
                        #expect(session.isAlive)

                        await proxy.stall()
                        let loss = try await session.lost
                        #expect(loss.reason == .deadline)
                        #expect(!session.isAlive)
                        #expect(try await witness.get("k") != nil, "the server has not ended the lease yet")
                        var last: SessionState?
                        while let state = await states.next() { last = state }
                        guard case .lost = last else { throw Unexpected(last) }
                        // The control: it does.
                        try await eventually("the lease runs out") { try await witness.get("k") == nil }
                        await proxy.resume()
                        await session.close()
                    }
                }
            }
        }
    }

    private struct Unexpected: Error {
        let what: String
        init<Value>(_ value: Value) { what = "\(value)" }
    }
}
