// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@Suite("Lease: work under it", .cluster, .timeLimit(.minutes(1)))
struct WithLeaseTests {
    @Test("the lease and its key live while the body runs, and are gone after it")
    func scope() async throws {
        try await withLiveClient { client, prefix in
            let timeToLive = Duration.seconds(3)
            let control = try await client.leases.grant(timeToLive: timeToLive)
            try await client.put(prefix + "left", "1", lease: control.id)
            let id = try await client.withLease(timeToLive: timeToLive) { lease in
                try await client.put(prefix + "kept", "1", lease: lease.id)
                try await eventually("a lease that is left alone runs out") {
                    try await client.get(prefix + "left") == nil
                }
                #expect(try await client.get(prefix + "kept")?.lease == lease.id)
                return lease.id
            }
            #expect(try await client.get(prefix + "kept") == nil)
            await expectError(.leaseNotFound) { try await client.leases.timeToLive(of: id) }
        }
    }

    @Test("a lease that cannot be granted is an error, and the body does not run")
    func notGranted() async throws {
        try await withLiveClient { client, _ in
            await expectError(.invalidArgument) {
                try await client.withLease(timeToLive: .zero) { _ in Issue.record("the body has run") }
            }
        }
    }

    // The leases live for a minute here, so that a key that is gone was deleted by a revocation.

    @Test("an error of the body is thrown once the lease is revoked")
    func bodyThrows() async throws {
        struct Failure: Error {}
        try await withLiveClient { client, prefix in
            await #expect(throws: Failure.self) {
                try await client.withLease(timeToLive: .seconds(60)) { lease in
                    try await client.put(prefix + "k", "1", lease: lease.id)
                    throw Failure()
                }
            }
            let entry = try await client.get(prefix + "k")
            #expect(entry == nil)
        }
    }

    @Test("a cancelled caller gets the body's result or error once the lease is revoked", arguments: [true, false])
    func callerCancelled(bodyThrows: Bool) async throws {
        try await withLiveClient { client, prefix in
            let task = Task {
                try await client.withLease(timeToLive: .seconds(60)) { lease in
                    try await client.put(prefix + "k", "1", lease: lease.id)
                    do {
                        try await Task.sleep(for: .seconds(50))
                    } catch  where !bodyThrows {
                        return "cleaned up"
                    }
                    return "not cancelled"
                }
            }
            try await eventually("the body runs") { try await client.get(prefix + "k") != nil }
            task.cancel()
            if bodyThrows {
                await #expect(throws: CancellationError.self) { try await task.value }
            } else {
                #expect(try await task.value == "cleaned up")
            }
            #expect(try await client.get(prefix + "k") == nil)
        }
    }

    // MARK: Loss

    @Test(
        "when the lease is revoked elsewhere, the body is cancelled and leaseLost is thrown",
        arguments: [true, false]
    )
    func revoked(bodyThrows: Bool) async throws {
        try await withLiveClient { client, _ in
            let start = ContinuousClock.now
            await expectError(.leaseLost) {
                try await client.withLease(timeToLive: .seconds(2)) { lease in
                    try await client.leases.revoke(lease.id)
                    do {
                        try await Task.sleep(for: .seconds(50))
                        Issue.record("the body was not cancelled")
                    } catch  where !bodyThrows {}
                }
            }
            #expect(ContinuousClock.now - start < .seconds(20))
        }
    }

    enum Fault: CaseIterable {
        case killed, frozen
    }

    @Test("without a server, the body is cancelled at the lease's deadline (etcd#10821)", arguments: Fault.allCases)
    func serverGone(fault: Fault) async throws {
        try await withPrivateEtcd { client, cluster in
            let timeToLive = Duration.seconds(3)
            let (renewed, cancelled) = (Lock<ContinuousClock.Instant?>(nil), Lock<ContinuousClock.Instant?>(nil))
            let gone = Lock<ContinuousClock.Instant?>(nil)
            await expectError(.leaseLost) {
                try await client.withLease(timeToLive: timeToLive) { lease in
                    let renewal = try await client.leases.keepAliveOnce(lease.id)
                    renewed.withLock { $0 = renewal.deadline }
                    switch fault {
                    case .killed: await cluster.members[0].kill()
                    case .frozen: await cluster.members[0].freeze()
                    }
                    gone.withLock { $0 = .now }
                    try? await Task.sleep(for: .seconds(50))
                    cancelled.withLock { $0 = .now }
                }
            }
            let end = try #require(cancelled.withLock { $0 })
            // Renewals are answered until the server is gone, so the last deadline lies between these.
            let earliest = try #require(renewed.withLock { $0 })
            let latest = try #require(gone.withLock { $0 }) + timeToLive
            #expect(end >= earliest, "the body was cancelled while the lease was certain")
            #expect(end <= latest + .seconds(1), "\(end - latest) too late")
        }
    }

    @Test("a lease survives a restart of the server within its time to live")
    func restart() async throws {
        try await withPrivateEtcd { client, cluster in
            let timeToLive = Duration.seconds(6)
            let control = try await client.leases.grant(timeToLive: timeToLive)
            try await client.put("left", "1", lease: control.id)
            try await client.withLease(timeToLive: timeToLive) { lease in
                try await client.put("kept", "1", lease: lease.id)
                try await cluster.members[0].restart()
                try await eventually("a lease that is left alone runs out") {
                    try await client.get("left") == nil
                }
                #expect(try await client.get("kept")?.lease == lease.id)
            }
            #expect(try await client.get("kept") == nil)
        }
    }
}
