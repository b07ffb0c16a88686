// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Lease: in a cluster that fails in part", .cluster, .timeLimit(.minutes(2)))
struct LeaseFailoverTests {
    @Test("a lease of 5 s outlives the freeze of the member that its stream is on (etcd#12528)")
    func frozenMember() async throws {
        let events = EventLog()
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(events.configuration(cluster.endpoints)) { client in
                let lease = try await client.leases.grant(timeToLive: .seconds(5))
                var states = client.leases.keepAlive(lease).makeAsyncIterator()
                _ = try await states.next()
                let endpoint = try #require(await client.core.leaseKeeper.streams.first?.endpoint)
                let member = try #require(cluster.members.first { $0.endpoint == endpoint.description })

                // The control has no other endpoint.
                let control = try EtcdClient(endpoints: member.endpoint)
                let doomed = try await control.leases.grant(timeToLive: .seconds(5))
                var controlStates = control.leases.keepAlive(doomed).makeAsyncIterator()
                _ = try await controlStates.next()

                await member.freeze()
                let error = await #expect(throws: EtcdError.self) {
                    while try await controlStates.next() != nil {}
                }
                #expect(error?.code == .leaseLost, "\(error.debugDescription)")
                #expect((error?.cause as? EtcdError)?.code == .unavailable, "\(error.debugDescription)")

                // The newest state, and then two more.
                for _ in 1...3 { _ = try await states.next() }
                #expect(try await client.leases.timeToLive(of: lease.id).grantedTimeToLive == .seconds(5))
                #expect(events.failovers.contains { $0.from == endpoint && $0.to != endpoint })
                #expect(events.losses.isEmpty)
                await control.close()
            }
        }
    }

    @Test("with the sticky policy, too, a lease of 5 s outlives the freeze of the member that it is kept at")
    func frozenMemberSticky() async throws {
        let events = EventLog()
        try await withEtcdCluster(members: 3) { cluster in
            var configuration = try events.configuration(cluster.endpoints)
            configuration.failover = .sticky
            try await withEtcdClient(configuration) { client in
                let lease = try await client.leases.grant(timeToLive: .seconds(5))
                var states = client.leases.keepAlive(lease).makeAsyncIterator()
                _ = try await states.next()
                let endpoint = try #require(await client.core.leaseKeeper.streams.first?.endpoint)
                await cluster.members.first { $0.endpoint == endpoint.description }?.freeze()
                let end = ContinuousClock.now + lease.timeToLive * 2
                while .now < end { _ = try await states.next() }
                #expect(events.failovers.contains { $0.from == endpoint })
                #expect(events.losses.isEmpty)
            }
        }
    }

    @Test("a lease is kept through a restart of each member in turn")
    func restarts() async throws {
        let events = EventLog()
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(events.configuration(cluster.endpoints)) { client in
                let lease = try await client.leases.grant(timeToLive: .seconds(5))
                let control = try await client.leases.grant(timeToLive: .seconds(5))
                var states = client.leases.keepAlive(lease).makeAsyncIterator()
                for member in cluster.members {
                    _ = try await states.next()
                    try await member.restart()
                }
                try await eventually(within: .seconds(60), "the lease that is left alone has run out") {
                    await client.isGone(control.id)
                }
                for _ in 1...3 { _ = try await states.next() }
                #expect(await !client.isGone(lease.id))
                #expect(events.losses.isEmpty)
                #expect(!events.failovers.isEmpty, "one of the members had the stream")
            }
        }
    }

    @Test("without answers a lease is at risk, with answers it is active again, and without further ones it is lost")
    func risk() async throws {
        let events = EventLog()
        try await withEtcdCluster { cluster in
            try await withEtcdClient(events.configuration(cluster.endpoints)) { client in
                let lease = try await client.leases.grant(timeToLive: .seconds(6))
                var states = client.leases.keepAlive(lease).makeAsyncIterator()
                var state = try await states.next()
                #expect(state?.isActive == true)

                await cluster.members[0].freeze()
                while state?.isActive == true { state = try await states.next() }
                guard case .atRisk(let deadline, let cause) = state else {
                    Issue.record("\(String(describing: state))")
                    return
                }
                #expect((.zero...(.seconds(2))).contains(deadline - .now), "a third of the time to live is left")
                #expect(cause?.code == .unavailable)
                #expect(events.risks == [lease.id])

                cluster.members[0].thaw()
                while state?.isActive == false { state = try await states.next() }
                #expect(try #require(state).deadline > deadline)

                await cluster.members[0].freeze()
                while state?.isActive == true { state = try await states.next() }
                let end = try #require(state).deadline
                let error = await #expect(throws: EtcdError.self) { try await states.next() }
                #expect((.zero...(.seconds(1))).contains(.now - end), "lost at the deadline, and not before")
                #expect(error?.code == .leaseLost)
                #expect((error?.cause as? EtcdError)?.code == .unavailable)
                #expect(events.risks == [lease.id, lease.id])
                #expect(events.losses == [lease.id])
            }
        }
    }

    @Test("a lease that another client revokes is lost, and the server's answer is the cause")
    func revokedElsewhere() async throws {
        try await withLiveClient { client, _ in
            let other = try EtcdClient(client.configuration)
            let lease = try await client.leases.grant(timeToLive: .seconds(3))
            var states = client.leases.keepAlive(lease).makeAsyncIterator()
            _ = try await states.next()
            try await other.leases.revoke(lease.id)
            let error = await #expect(throws: EtcdError.self) { while try await states.next() != nil {} }
            #expect(error?.code == .leaseLost)
            #expect((error?.cause as? EtcdError)?.code == .leaseNotFound)
            try await eventually("the stream is closed") { await client.openStreamCount == 0 }
            await other.close()
        }
    }
}
