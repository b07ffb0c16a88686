// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// Grants and revocations whose answers are lost on the way.
@Suite("Lease: outcomes of grants and revocations", .cluster, .timeLimit(.minutes(1)))
struct LeaseOutcomeTests {
    /// Makes `call` over a network that loses the answer to its first attempt, once `isDone` says that etcd has acted.
    private func losingAnswer<Result: Sendable>(
        of call: @escaping @Sendable (EtcdClient) async throws -> Result,
        _ prepare: (EtcdClient) async throws -> Void = { _ in },
        isDone: (EtcdClient) async throws -> Bool,
        _ check: (Swift.Result<Result, any Error>, EtcdClient) async throws -> Void
    ) async throws {
        try await withPrivateEtcd { direct, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    try await prepare(direct)
                    _ = try await client.get("connect")
                    await proxy.blackhole(.toClient)
                    let task = Task { try await call(client) }
                    try await eventually("etcd has acted") { try await isDone(direct) }
                    await proxy.cut()
                    await proxy.resume()
                    try await check(await task.result, direct)
                }
            }
        }
    }

    @Test("a grant whose answer was lost is repeated with its ID, and succeeds: there is one lease, not two")
    func grant() async throws {
        let start = ContinuousClock.now
        try await losingAnswer {
            try await $0.leases.grant(timeToLive: .seconds(60))
        } isDone: {
            try await $0.leases.list().count == 1
        } _: { result, direct in
            let lease = try result.get()
            #expect(lease.timeToLive == .seconds(60))
            #expect(try await direct.leases.list() == [lease.id])
            #expect(lease.grantSent.instant >= start && lease.grantSent.instant <= .now)
            let remaining = try await direct.leases.timeToLive(of: lease.id).remainingTimeToLive
            #expect(
                lease.grantSent.instant + lease.timeToLive <= .now + remaining + .seconds(1),
                "from the first attempt"
            )
        }
    }

    @Test("a grant that waits for a connection longer than the time to live counts its lifetime from a renewal")
    func lateGrant() async throws {
        try await withPrivateEtcd { direct, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                await proxy.refuseConnections()
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    let start = ContinuousClock.now
                    let granting = Task { try await client.leases.grant(timeToLive: .seconds(3)) }
                    try await Task.sleep(for: .seconds(4))
                    try await proxy.acceptConnections()
                    let lease = try await granting.value
                    #expect(lease.grantSent.instant > start + .seconds(4))
                    let remaining = try await direct.leases.timeToLive(of: lease.id).remainingTimeToLive
                    #expect(lease.grantSent.instant + lease.timeToLive <= .now + remaining + .seconds(1))
                    // The control: the client keeps such a lease, and with the time of the call, it would be over.
                    #expect(start + lease.timeToLive < .now)
                    for try await state in client.leases.keepAlive(lease) {
                        #expect(state.isActive)
                        break
                    }
                }
            }
        }
    }

    @Test("control: a client that repeats no call gets ambiguous for the same grant")
    func grantOnce() async throws {
        try await losingAnswer {
            try await $0.with(retry: .never).leases.grant(timeToLive: .seconds(60))
        } isDone: {
            try await $0.leases.list().count == 1
        } _: { result, _ in
            await expectError(.ambiguous) { try result.get() }
        }
    }

    @Test("a grant with the caller's ID stays ambiguous, since the lease may be older")
    func grantOfOwnID() async throws {
        let id = Lease.ID(rawValue: 42)
        try await losingAnswer {
            try await $0.leases.grant(timeToLive: .seconds(60), id: id)
        } isDone: {
            try await $0.leases.list() == [id]
        } _: { result, _ in
            let error = #expect(throws: EtcdError.self) { try result.get() }
            #expect(error?.code == .ambiguous)
            #expect((error?.cause as? EtcdError)?.code == .leaseExists)
        }
    }

    @Test(
        "a revocation whose answer was lost is repeated, and a missing lease is then success",
        arguments: [true, false]
    )
    func revoke(again: Bool) async throws {
        let id = Lease.ID(rawValue: 42)
        try await losingAnswer { client in
            try await (again ? client : client.with(retry: .never)).leases.revoke(id)
        } _: {
            _ = try await $0.leases.grant(timeToLive: .seconds(60), id: id)
        } isDone: {
            try await $0.leases.list().isEmpty
        } _: { result, _ in
            if again { try result.get() } else { await expectError(.ambiguous) { try result.get() } }
        }
    }
}
