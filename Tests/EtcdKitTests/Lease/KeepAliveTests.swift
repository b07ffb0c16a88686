// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Lease: kept alive", .live, .timeLimit(.minutes(1)))
struct KeepAliveTests {
    @Test("renewals come every third of the time to live, and keep the key (etcd-cpp-apiv3#67)")
    func renewals() async throws {
        try await withLiveClient { client, prefix in
            let timeToLive = Duration.seconds(3)
            let lease = try await client.leases.grant(timeToLive: timeToLive)
            let control = try await client.leases.grant(timeToLive: timeToLive)
            try await client.put(prefix + "kept", "1", lease: lease.id)
            try await client.put(prefix + "left", "1", lease: control.id)

            let start = ContinuousClock.now
            var deadlines: [ContinuousClock.Instant] = []
            for try await state in client.leases.keepAlive(lease.id) {
                #expect(state.isActive)
                #expect(state.deadline <= .now + timeToLive)
                deadlines.append(state.deadline)
                if deadlines.count == 8 { break }
            }
            // Seven thirds of three seconds, each up to a tenth shorter.
            let elapsed = ContinuousClock.now - start
            #expect((.seconds(6)...(.seconds(20))).contains(elapsed), "\(elapsed)")
            #expect(deadlines == deadlines.sorted() && Set(deadlines).count == 8)
            #expect(try await client.range(.prefix(prefix)).entries.map(\.key) == [prefix + "kept"])
        }
    }

    @Test("a lease is kept while its iterator exists, and runs out when that is dropped (trillian#2249)")
    func dropped() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(3))
            let control = try await client.leases.grant(timeToLive: .seconds(3))
            let sequence = client.leases.keepAlive(lease)
            do {
                var iterator = sequence.makeAsyncIterator()
                let first = try #require(try await iterator.next())
                try await eventually("the lease without an iterator has run out") { await client.isGone(control.id) }
                #expect(await !client.isGone(lease.id))
                // Nobody has waited, and the newest state is here.
                let newest = try #require(try await iterator.next())
                #expect(newest.deadline > first.deadline + .milliseconds(1_500))
            }
            try await eventually("the stream is closed") { await client.openStreamCount == 0 }
            try await eventually("the lease has run out") { await client.isGone(lease.id) }
        }
    }

    @Test("a cancelled task no longer waits, and its lease runs out")
    func cancelled() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(3))
            let task = Task { for try await _ in client.leases.keepAlive(lease) {} }
            try await eventually("the lease is kept alive") { await client.openStreamCount == 1 }
            task.cancel()
            await expectError(.cancelled) { try await task.value }
            try await eventually("the lease has run out") { await client.isGone(lease.id) }
        }
    }

    @Test("the iteration says that the lease was lost, or that there never was one")
    func endings() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(3))
            var iterator = client.leases.keepAlive(lease.id).makeAsyncIterator()
            _ = try await iterator.next()
            try await client.leases.revoke(lease.id)
            await expectError(.leaseLost) { try await iterator.next() }
            await expectError(.leaseLost) { try await iterator.next() }

            // Of the number alone nothing is known, but the granted lease was there.
            await expectError(.leaseNotFound) { for try await _ in client.leases.keepAlive(lease.id) {} }
            await expectError(.leaseLost) { for try await _ in client.leases.keepAlive(lease) {} }
        }
    }

    @Test("two iterations keep one lease, and each gets the renewals")
    func twoIterations() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(3))
            var first = client.leases.keepAlive(lease).makeAsyncIterator()
            do {
                var second = client.leases.keepAlive(lease.id).makeAsyncIterator()
                for _ in 1...2 {
                    _ = try #require(try await first.next())
                    _ = try #require(try await second.next())
                }
                try await client.leases.keepAliveOnce(lease.id)
            }
            // The second is gone; a time to live later the lease still is not.
            for _ in 1...4 { _ = try #require(try await first.next()) }
            #expect(await !client.isGone(lease.id))
        }
    }

    @Test("300 leases are kept alive over one stream")
    func many() async throws {
        try await withLiveClient { client, prefix in
            let timeToLive = Duration.seconds(3)
            let ids = try await withThrowingTaskGroup(of: Lease.ID.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        let lease = try await client.leases.grant(timeToLive: timeToLive)
                        try await client.put(prefix + "\(number)", "1", lease: lease.id)
                        return lease.id
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let control = try await client.leases.grant(timeToLive: timeToLive)
            let keeping = Task {
                try await withThrowingTaskGroup { group in
                    for id in ids { group.addTask { for try await _ in client.leases.keepAlive(id) {} } }
                    try await group.waitForAll()
                }
            }
            try await eventually("a lease that is left alone has run out") { await client.isGone(control.id) }
            #expect(await client.openStreamCount == 1)
            #expect(try await client.range(.prefix(prefix)).count == 300)

            keeping.cancel()
            await expectError(.cancelled) { try await keeping.value }
            try await eventually("the stream is closed") { await client.openStreamCount == 0 }
            for id in ids { try await client.leases.revoke(id) }
        }
    }

    @Test("a lease of centuries is kept alive too")
    func longest() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(9_000_000_000))
            var iterator = client.leases.keepAlive(lease).makeAsyncIterator()
            #expect(try #require(try await iterator.next()).deadline > .now + lease.timeToLive - .seconds(60))
            try await client.leases.revoke(lease.id)
        }
    }

    @Test("closing the client ends the iteration")
    func closed() async throws {
        try await withLiveClient { client, _ in
            let lease = try await client.leases.grant(timeToLive: .seconds(60))
            var iterator = client.leases.keepAlive(lease).makeAsyncIterator()
            _ = try await iterator.next()
            await client.close()
            await expectError(.clientClosed) { while try await iterator.next() != nil {} }
            await expectError(.clientClosed) { for try await _ in client.leases.keepAlive(lease) {} }
            await expectError(.clientClosed) { try await client.leases.keepAliveOnce(lease.id) }
        }
    }
}

extension EtcdClient {
    /// The server does not know the lease.
    func isGone(_ id: Lease.ID) async -> Bool {
        do throws(EtcdError) {
            _ = try await leases.timeToLive(of: id)
            return false
        } catch {
            return error.code == .leaseNotFound
        }
    }
}
