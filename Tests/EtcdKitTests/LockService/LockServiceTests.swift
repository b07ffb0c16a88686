// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("LockService", .cluster, .timeLimit(.minutes(1)))
struct LockServiceTests {
    @Test("one client holds a lock, and the next gets it when it is released")
    func exclusion() async throws {
        try await withLiveClient { client, prefix in
            let (first, second) = (try await lease(client), try await lease(client))
            let key = try await client.lockService.lock(prefix + "lock", lease: first)
            #expect(key == prefix + "lock/" + Key(first.description))
            #expect(try await client.get(key)?.lease == first)
            // The owner of the lock gets it again.
            #expect(try await client.lockService.lock(prefix + "lock", lease: first) == key)

            let waiter = Task { try await client.lockService.lock(prefix + "lock", lease: second) }
            try await eventually("the second waits") { try await client.range(.prefix(prefix)).count == 2 }
            try await client.lockService.unlock(key)
            let next = try await waiter.value
            #expect(try await client.range(.prefix(prefix)).entries.map(\.key) == [next])
            try await client.lockService.unlock(next)
            // There is nothing to unlock.
            try await client.lockService.unlock(next)
            #expect(try await client.range(.prefix(prefix)).count == 0)
        }
    }

    @Test("a lock call that times out is ambiguous, and leaves no key behind")
    func deadline() async throws {
        try await withLiveClient { client, prefix in
            let (first, second) = (try await lease(client), try await lease(client))
            _ = try await client.lockService.lock(prefix + "lock", lease: first)
            await expectError(.ambiguous) {
                try await client.with(timeout: .milliseconds(300)).lockService.lock(prefix + "lock", lease: second)
            }
            try await eventually("the candidate is gone") { try await client.range(.prefix(prefix)).count == 1 }
        }
    }

    @Test("a lock without a lease gets one that nobody renews")
    func withoutLease() async throws {
        try await withLiveClient { client, prefix in
            let key = try await client.lockService.lock(prefix + "lock", lease: .none)
            let lease = try #require(try await client.get(key)?.lease)
            let status = try await client.leases.timeToLive(of: lease)
            #expect(status.grantedTimeToLive == .seconds(60))
            try await client.leases.revoke(lease)
            #expect(try await client.get(key) == nil)
        }
    }

    @Test("a lease that does not exist, and one that ends during the wait, have codes of their own")
    func lostLease() async throws {
        try await withLiveClient { client, prefix in
            await expectError(.leaseNotFound) {
                try await client.lockService.lock(prefix + "lock", lease: Lease.ID(rawValue: 4711))
            }
            let (first, second) = (try await lease(client), try await lease(client))
            let key = try await client.lockService.lock(prefix + "lock", lease: first)
            let waiter = Task { try await client.lockService.lock(prefix + "lock", lease: second) }
            try await eventually("the second waits") { try await client.range(.prefix(prefix)).count == 2 }
            try await client.leases.revoke(second)
            try await client.lockService.unlock(key)
            if try await client.serverVersion < ServerVersion(3, 5) {
                let gone = try await waiter.value
                #expect(try await client.get(gone) == nil)
            } else {
                await expectError(.leaseLost) { try await waiter.value }
            }
        }
    }

    @Test("names and keys without bytes are refused at once")
    func empty() async throws {
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            await expectError(.emptyKey) { try await client.lockService.lock("", lease: .none) }
            await expectError(.emptyKey) { try await client.lockService.unlock("") }
            await expectError(.emptyKey) { try await client.electionService.campaign("", value: "", lease: .none) }
            await expectError(.emptyKey) { try await client.electionService.leader(of: "") }
        }
    }

    @Test("a call that waits for a lock does not make its endpoint suspected")
    func patience() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            let log = EventLog()
            var configuration = try log.configuration(cluster.endpoints)
            configuration.retry.attemptTimeout = .milliseconds(200)
            try await withEtcdClient(configuration) { client in
                let (first, second) = (try await lease(client), try await lease(client))
                _ = try await client.lockService.lock("lock", lease: first)
                await expectError(.ambiguous) {
                    try await client.with(timeout: .seconds(1)).lockService.lock("lock", lease: second)
                }
                let isSuspected = { log.contains { if case .suspected = $0 { true } else { false } } }
                #expect(!isSuspected())
                // The control: it would, if nobody knew that this call waits for others.
                let method = GRPCMethod<Wire.LockRequest, Wire.LockResponse>(.lock, "Lock")
                await expectError(.ambiguous) {
                    let request = Wire.LockRequest(name: Key("lock").bytes, lease: second.rawValue)
                    _ = try await client.with(timeout: .seconds(1)).call(method, request)
                }
                #expect(isSuspected())
            }
        }
    }

    @Test("a lock needs permission for its keys")
    func permission() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                let lease = try await lease(alice)
                let key = try await alice.lockService.lock("a/lock", lease: lease)
                try await alice.lockService.unlock(key)
                await expectError(.permissionDenied) { try await alice.lockService.lock("lock", lease: lease) }
                let won = try await alice.electionService.campaign("a/election", value: "alice", lease: lease)
                var leaders = alice.electionService.observe("a/election").makeAsyncIterator()
                #expect(try await leaders.next()?.key == won.key)
                var refused = alice.electionService.observe("election").makeAsyncIterator()
                await expectError(.permissionDenied) { try await refused.next() }
            }
        }
    }

    private func lease(_ client: EtcdClient) async throws -> Lease.ID {
        try await client.leases.grant(timeToLive: .seconds(60)).id
    }
}
