// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

extension LeaseKeeper {
    fileprivate func subscribe(to id: Lease.ID, granted: Lease?) -> LeaseSubscription {
        let subscription = LeaseSubscription(id)
        add(subscription, granted: granted)
        return subscription
    }
}

/// A client's streams of renewals, as a scripted server sees them.
@Suite("Lease: streams of renewals", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct LeaseStreamTests {
    private let id = Lease.ID(rawValue: 1)

    @Test("a renewal that is acknowledged after the revocation does not revive the lease (etcd PR 20615)")
    func acknowledgedAfterRevocation() async throws {
        // The second renewal of the lease waits until it is revoked; its sibling's are answered.
        let server = try LeaseServer { if $0.id != 1 || $0.number == 1 { $0.answer(timeToLive: 3) } }
        defer { server.stop() }
        let client = try server.client()
        var kept = client.leases.keepAlive(id).makeAsyncIterator()
        var sibling = client.leases.keepAlive(Lease.ID(rawValue: 2)).makeAsyncIterator()
        #expect(try await kept.next()?.isActive == true)
        #expect(try await sibling.next()?.isActive == true)
        try await eventually("another renewal is on its way") {
            server.renewals.contains { $0.id == 1 && $0.number > 1 }
        }
        try await client.leases.revoke(id)
        server.renewals.last { $0.id == 1 }?.answer(timeToLive: 3)
        // The messages after the late answer on the same stream have arrived, so it has, too.
        for _ in 1...2 { _ = try await sibling.next() }
        #expect(server.streams.count == 1)
        for _ in 1...2 {
            let error = await #expect(throws: EtcdError.self) { try await kept.next() }
            #expect(error?.code == .leaseLost)
            #expect(error?.message.contains("revoked by this client") == true)
        }
        await client.close()
    }

    @Test("a time to live of any length does not trap", arguments: [Int64.max, 1 << 40, Int64.min, -1])
    func extremeTimes(seconds: Int64) async throws {
        let server = try LeaseServer { $0.answer(timeToLive: seconds) }
        defer { server.stop() }
        let client = try server.client()
        var kept = client.leases.keepAlive(id).makeAsyncIterator()
        if seconds > 0 {
            #expect(try await kept.next()?.isActive == true)
        } else {
            await expectError(.leaseNotFound) { try await kept.next() }
        }
        await client.close()
    }

    @Test("the server's answer that a lease is gone is the cause of its loss")
    func goneAtServer() async throws {
        let server = try LeaseServer { $0.answer(timeToLive: $0.number == 1 ? 2 : 0) }
        defer { server.stop() }
        let lost = Lock<[Lease.ID]>([])
        let client = try server.client {
            $0.onEvent = { event in
                if case .leaseLost(let id, _) = event { lost.withLock { $0.append(id) } }
            }
        }
        let error = await #expect(throws: EtcdError.self) { for try await _ in client.leases.keepAlive(id) {} }
        #expect(error?.code == .leaseLost)
        #expect((error?.cause as? EtcdError)?.code == .leaseNotFound)
        #expect(lost.withLock { $0 } == [id])
        await client.close()
    }

    @Test("a lease that is kept by its number gets its deadline from the grant, once that is known")
    func laterGrant() async throws {
        let server = try LeaseServer { _ in }
        defer { server.stop() }
        let client = try server.client()
        let keeper = client.core.leaseKeeper
        let subscription = keeper.subscribe(to: id, granted: nil)
        let later = keeper.subscribe(to: id, granted: Lease(id: id, timeToLive: .milliseconds(200)))
        for subscription in [subscription, later] {
            await expectError(.leaseLost) { while true { _ = try await subscription.next() } }
        }
        await client.close()
    }

    @Test("a late answer to a renewal that was given up does not count for a newer one")
    func lateAnswer() async throws {
        let server = try LeaseServer { if $0.id != 1 { $0.answer(timeToLive: 60) } }
        defer { server.stop() }
        let client = try server.client { $0.retry.attemptTimeout = .seconds(30) }
        // Holds the stream open.
        var sibling = client.leases.keepAlive(Lease.ID(rawValue: 2)).makeAsyncIterator()
        _ = try await sibling.next()

        let hasty = client.with(timeout: .milliseconds(100))
        await expectError(.deadlineExceeded) { try await hasty.leases.keepAliveOnce(id) }
        let newer = Task { try await client.leases.keepAliveOnce(id) }
        try await eventually("the newer one is on its way, too") { server.renewals.count { $0.id == 1 } == 2 }
        for (renewal, timeToLive) in zip(server.renewals.filter { $0.id == 1 }, [Int64(60), 7]) {
            renewal.answer(timeToLive: timeToLive)
        }
        #expect(try await newer.value.timeToLive == .seconds(7))
        #expect(server.streams.count == 1)
        withExtendedLifetime(sibling) {}
        await client.close()
    }

    @Test("a stream is not flooded: 256 renewals wait at the server, and each answer lets another go")
    func window() async throws {
        let server = try LeaseServer { _ in }
        defer { server.stop() }
        let client = try server.client { $0.retry.attemptTimeout = .seconds(30) }
        let ids = (1...600).map { Lease.ID(rawValue: $0) }
        let subscriptions = ids.map { client.core.leaseKeeper.subscribe(to: $0, granted: nil) }
        try await eventually("the window is full") { server.renewals.count == 256 }
        for renewal in server.renewals.prefix(100) { renewal.answer(timeToLive: 60) }
        try await eventually("there is room for 100 more") { server.renewals.count == 356 }
        #expect(Set(server.renewals.map(\.id)).count == 356, "none was repeated")
        withExtendedLifetime(subscriptions) {}
        await client.close()
    }

    @Test("renewals that are due together leave in one buffer")
    func batches() async throws {
        let server = try LeaseServer { $0.answer(timeToLive: 2) }
        defer { server.stop() }
        let client = try server.client()
        let ids = (1...100).map { Lease.ID(rawValue: $0) }
        let subscriptions = ids.map { client.core.leaseKeeper.subscribe(to: $0, granted: nil) }
        try await eventually("all are renewed twice") { server.renewals.count == 200 }
        #expect(server.bursts.first == 100)
        // Jitter spreads the second ones over 67 ms, which are three slots at most.
        #expect(server.bursts.count <= 4)
        withExtendedLifetime(subscriptions) {}
        await client.close()
    }

    @Test("answers that come in another order find their leases")
    func reversedAnswers() async throws {
        let server = try LeaseServer { _ in }
        defer { server.stop() }
        let client = try server.client { $0.retry.attemptTimeout = .seconds(30) }
        let subscriptions = (1...20).map { client.core.leaseKeeper.subscribe(to: Lease.ID(rawValue: $0), granted: nil) }
        try await eventually("all are on their way") { server.renewals.count == 20 }
        for renewal in server.renewals.reversed() { renewal.answer(timeToLive: 60 + renewal.id) }
        for subscription in subscriptions {
            guard case .renewed(_, let timeToLive, _) = try await subscription.next() else {
                Issue.record("\(subscription.id) is not renewed")
                continue
            }
            #expect(timeToLive == .seconds(60 + subscription.id.rawValue))
        }
        await client.close()
    }

    @Test("when a stream ends in the middle of a batch, the next one sends only the renewals without answers")
    func lostMidway() async throws {
        let server = try LeaseServer { renewal in
            if renewal.streamNumber > 1 || renewal.id <= 10 { renewal.answer(timeToLive: 60) }
            if renewal.streamNumber == 1, renewal.id == 20 { renewal.stream.end(trailers: [("grpc-status", "14")]) }
        }
        defer { server.stop() }
        let client = try server.client()
        let subscriptions = (1...20).map { client.core.leaseKeeper.subscribe(to: Lease.ID(rawValue: $0), granted: nil) }
        for subscription in subscriptions { _ = try await subscription.next() }
        #expect(Set(server.renewals.filter { $0.streamNumber == 2 }.map(\.id)) == Set(11...20))
        #expect(server.renewals.count == 30)
        await client.close()
    }

    @Test("an unanswered renewal is repeated every 500 ms")
    func repetition() async throws {
        let server = try LeaseServer { _ in }
        defer { server.stop() }
        let client = try server.client { $0.retry.attemptTimeout = .seconds(30) }
        let start = ContinuousClock.now
        let subscription = client.core.leaseKeeper.subscribe(to: id, granted: nil)
        try await eventually("it was sent four times") { server.renewals.count == 4 }
        #expect(.now - start >= .milliseconds(1_500))
        #expect(server.streams.count == 1)
        withExtendedLifetime(subscription) {}
        await client.close()
    }

    @Test("the only endpoint, when it stalls, gets a new stream after each attemptTimeout and no earlier")
    func onlyEndpoint() async throws {
        let server = try LeaseServer { if $0.streamNumber == 3 { $0.answer(timeToLive: 60) } }
        defer { server.stop() }
        let client = try server.client { $0.retry.attemptTimeout = .milliseconds(400) }
        let start = ContinuousClock.now
        var states = client.leases.keepAlive(id).makeAsyncIterator()
        #expect(try await states.next()?.isActive == true)
        #expect(.now - start >= .milliseconds(800))
        #expect(server.streams.count == 3)
        await client.close()
    }

    // MARK: Refusals

    @Test("a stream that is refused for its token is opened again with a new one")
    func rejectedToken() async throws {
        let server = try LeaseServer { renewal in
            if renewal.streamNumber == 1 {
                renewal.stream.end(trailers: Self.invalidToken)
            } else {
                renewal.answer(timeToLive: 60)
            }
        }
        defer { server.stop() }
        let client = try server.client { $0.credentials = .user("root", password: "secret") }
        var states = client.leases.keepAlive(id).makeAsyncIterator()
        #expect(try await states.next()?.isActive == true)
        #expect(server.streams.map { $0.headers["token"] } == ["token-1", "token-2"])
        await client.close()
    }

    @Test("leases end when three new tokens are refused in a row, and at once with a token that cannot be renewed")
    func worthlessToken() async throws {
        let user = Credentials.user("root", password: "secret")
        for (credentials, streams) in [(user, 3), (.token("made-elsewhere"), 1)] {
            let server = try LeaseServer { $0.stream.end(trailers: Self.invalidToken) }
            defer { server.stop() }
            let client = try server.client { $0.credentials = credentials }
            await expectError(.invalidToken) { for try await _ in client.leases.keepAlive(id) {} }
            #expect(server.streams.count == streams)
            await client.close()
        }
    }

    @Test("of 50 leases only those with a denied renewal end, although each denial ends the stream (etcd PR 21126)")
    func denied() async throws {
        let denied: Set<Int64> = [7, 8, 40]
        var ended: Set<Int32> = []
        let server = try LeaseServer { renewal in
            if denied.contains(renewal.id) {
                renewal.stream.end(trailers: [("grpc-status", "7"), ("grpc-message", "etcdserver: permission denied")])
                ended.insert(renewal.stream.id)
            } else if !ended.contains(renewal.stream.id) {
                // Renewals behind a denied one are never handled.
                renewal.answer(timeToLive: 2)
            }
        }
        defer { server.stop() }
        let client = try server.client()
        let keeper = client.core.leaseKeeper
        let subscriptions = (1...50).map { keeper.subscribe(to: Lease.ID(rawValue: $0), granted: nil) }
        for subscription in subscriptions {
            if denied.contains(subscription.id.rawValue) {
                await expectError(.permissionDenied) { try await subscription.next() }
            } else {
                _ = try await subscription.next()
            }
        }
        #expect(keeper.streams.count == 1, "those of the denied ones are gone")
        await client.close()
    }

    @Test(
        "no lease ends when a proxy answers a stream in HTTP, for example while it reads its routes anew",
        arguments: ["401", "403", "404"],
        [false, true]
    )
    func proxy(status: String, hasBody: Bool) async throws {
        let server = try LeaseServer { $0.answer(timeToLive: 60) }
        defer { server.stop() }
        server.onOpening = { exchange, number in
            if number == 1 { exchange.answerAsProxy(status, hasBody: hasBody) }
            return number > 1
        }
        let client = try server.client()
        let lease = Lease(id: id, timeToLive: .seconds(60))
        var states = client.leases.keepAlive(lease).makeAsyncIterator()
        #expect(try await states.next()?.isActive == true)
        #expect(server.streams.count == 2)
        await client.close()
    }

    private static let invalidToken = [
        ("grpc-status", "16"),
        ("grpc-message", "etcdserver: invalid auth token"),
    ]
}
