// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@Suite("Lease", .cluster, .timeLimit(.minutes(1)))
struct LeasesTests {
    // MARK: Grant

    @Test("a time to live of any length is refused, and does not trap", arguments: BoundedDurationTests.extremes)
    func extremeTimesToLive(duration: Duration) async throws {
        try await withLiveClient { client, _ in
            await expectError(duration > .zero ? .leaseTTLTooLarge : .invalidArgument) {
                try await client.leases.grant(timeToLive: duration)
            }
        }
    }

    @Test("a lease is granted with the ID asked for, once")
    func ownID() async throws {
        try await withLiveClient { client, _ in
            let id = Lease.ID(rawValue: .random(in: 1 ... .max))
            let lease = try await client.leases.grant(timeToLive: .seconds(60), id: id)
            #expect(lease.id == id && lease.timeToLive == .seconds(60))
            await expectError(.leaseExists) { try await client.leases.grant(timeToLive: .seconds(60), id: id) }
            try await client.leases.revoke(id)
            try await client.leases.revoke(client.leases.grant(timeToLive: .seconds(60), id: id).id)
        }
    }

    @Test("without an ID each lease gets one of its own")
    func randomID() async throws {
        try await withLiveClient { client, _ in
            let first = try await client.leases.grant(timeToLive: .seconds(60)).id
            let second = try await client.leases.grant(timeToLive: .seconds(60)).id
            #expect(first != second)
            #expect(first.rawValue > 0 && second.rawValue > 0)
        }
    }

    @Test(
        "the time to live is rounded up to whole seconds",
        arguments: [(60_000, 60), (60_001, 61), (60_999, 61), (9_000_000_000_000, 9_000_000_000)]
    )
    func rounding(milliseconds: Int, seconds: Int) async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .milliseconds(milliseconds))
            #expect(lease.timeToLive == .seconds(seconds))
            #expect(try await client.leases.timeToLive(of: lease.id).grantedTimeToLive == .seconds(seconds))
            try await client.leases.revoke(lease.id)
        }
    }

    @Test("the server raises a time to live to its minimum, and the lease has that one (etcd#6736)")
    func minimum() async throws {
        // Three halves of the election timeout.
        let options = EtcdCluster.Options(extraArguments: ["--election-timeout=2000"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                let raised = try await client.leases.grant(timeToLive: .seconds(1))
                #expect(raised.timeToLive == .seconds(3))
                let longer = try await client.leases.grant(timeToLive: .seconds(4))
                #expect(longer.timeToLive == .seconds(4))
            }
        }
    }

    @Test("a lease that cannot be granted throws the code of its reason")
    func refused() async throws {
        try await withLiveClient { client, _ in
            for timeToLive: Duration in [.zero, .seconds(-1), .nanoseconds(-1)] {
                await expectError(.invalidArgument) { try await client.leases.grant(timeToLive: timeToLive) }
            }
            for id: Int64 in [0, -1] {
                await expectError(.invalidArgument) {
                    try await client.leases.grant(timeToLive: .seconds(60), id: Lease.ID(rawValue: id))
                }
            }
            await expectError(.leaseTTLTooLarge) {
                try await client.leases.grant(timeToLive: .seconds(9_000_000_001))
            }
        }
    }

    // MARK: Revoke

    @Test("revoking a lease deletes its keys and no others, and works once")
    func revoke() async throws {
        try await withLiveClient { client, prefix in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            let other = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await client.put(prefix + "a", "1", lease: lease)
            try await client.put(prefix + "b", "1", lease: lease)
            try await client.put(prefix + "c", "1", lease: other)
            try await client.put(prefix + "d", "1")
            try await client.leases.revoke(lease)
            #expect(try await client.range(.prefix(prefix)).entries.map(\.key) == [prefix + "c", prefix + "d"])
            await expectError(.leaseNotFound) { try await client.leases.revoke(lease) }
            await expectError(.leaseNotFound) { try await client.put(prefix + "a", "1", lease: lease) }
        }
    }

    // MARK: Time to live and list

    @Test("the status of a lease holds its times, and its keys only when asked")
    func timeToLive() async throws {
        try await withLiveClient { client, prefix in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await client.put(prefix + "a", "1", lease: lease)
            try await client.put(prefix + "b", "1", lease: lease)
            let plain = try await client.leases.timeToLive(of: lease)
            #expect(plain.id == lease && plain.grantedTimeToLive == .seconds(60))
            #expect((.seconds(30)...(.seconds(60))).contains(plain.remainingTimeToLive))
            #expect(plain.keys.isEmpty)
            let status = try await client.leases.timeToLive(of: lease, withKeys: true)
            #expect(Set(status.keys) == [prefix + "a", prefix + "b"])
            await expectError(.leaseNotFound) {
                try await client.leases.timeToLive(of: Lease.ID(rawValue: 404), withKeys: true)
            }
        }
    }

    @Test("all leases are listed")
    func list() async throws {
        try await withPrivateEtcd { client, _ in
            #expect(try await client.leases.list().isEmpty)
            let first = try await client.leases.grant(timeToLive: .seconds(60)).id
            let second = try await client.leases.grant(timeToLive: .seconds(60)).id
            #expect(Set(try await client.leases.list()) == [first, second])
            try await client.leases.revoke(first)
            #expect(try await client.leases.list() == [second])
        }
    }

    // MARK: Renew once

    @Test("a single renewal starts the time to live anew")
    func keepAliveOnce() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await eventually("the lease has aged") {
                try await client.leases.timeToLive(of: lease).remainingTimeToLive <= .seconds(57)
            }
            let sent = ContinuousClock.now
            let renewal = try await client.leases.keepAliveOnce(lease)
            #expect(renewal.id == lease && renewal.timeToLive == .seconds(60))
            #expect(renewal.deadline >= sent + .seconds(60) && renewal.deadline <= .now + .seconds(60))
            #expect(try await client.leases.timeToLive(of: lease).remainingTimeToLive >= .seconds(58))
        }
    }

    @Test("a renewal of a missing lease fails with leaseNotFound, and leaves no stream open (jetcd#1236)")
    func keepAliveOnceUnknown() async throws {
        try await withLiveClient { client, _ in
            await expectError(.leaseNotFound) { try await client.leases.keepAliveOnce(Lease.ID(rawValue: 404)) }
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await client.leases.keepAliveOnce(lease)
            try await client.leases.revoke(lease)
            await expectError(.leaseNotFound) { try await client.leases.keepAliveOnce(lease) }
            try await eventually("the stream is closed") { await client.openStreamCount == 0 }
        }
    }
}
