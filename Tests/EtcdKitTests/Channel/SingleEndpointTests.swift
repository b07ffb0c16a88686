// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Calls to one endpoint.
@Suite("EtcdClient: calls to one endpoint", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct SingleEndpointTests {
    @Test("a call to an endpoint of the client uses the existing connection", arguments: [true, false])
    func own(isSticky: Bool) async throws {
        let members = [try FakeMember(), try FakeMember(), try FakeMember()]
        try await FakeMember.with(members, { $0.failover = isSticky ? .sticky : .roundRobin }) { client in
            try await client.put("k", "v")
            let before = members.map(\.callCount)
            for (index, member) in members.enumerated() {
                for _ in 0...index { try await client.maintenance.defragment(try Endpoint(member.address)) }
            }
            #expect(zip(members, before).map { $0.callCount - $1 } == [1, 2, 3])
            for member in members {
                #expect(member.server.connections.count == 1)
                #expect(member.server.connections.allSatisfy { $0.isOpen })
            }
        }
    }

    @Test("a sticky client stays where it is")
    func sticky() async throws {
        let members = [try FakeMember(), try FakeMember()]
        try await FakeMember.with(members, { $0.failover = .sticky }) { client in
            try await client.put("k", "v")
            try await client.maintenance.defragment(try Endpoint(members[1].address))
            for _ in 0..<5 { try await client.put("k", "v") }
            #expect(members.map(\.callCount) == [6, 1])
        }
    }

    @Test("another endpoint gets a connection for the duration of the calls, and the calls go nowhere else")
    func guest() async throws {
        let (own, guest) = (try FakeMember(), try FakeMember())
        var held: [HTTP2ServerExchange] = []
        guest.onCall = { held.append($0) }
        try await FakeMember.with([own]) { client in
            let endpoint = try Endpoint(guest.address)
            let calls = (0..<3).map { _ in Task { try await client.maintenance.defragment(endpoint) } }
            try await eventually("all are there") { held.count == 3 }
            #expect(guest.server.connections.count == 1)
            held.removeFirst().answer()
            held.removeFirst().answer()
            for _ in 0..<5 { try await client.put("k", "v") }
            #expect(guest.server.connections.allSatisfy { $0.isOpen })
            held.removeFirst().answer()
            for call in calls { try await call.value }
            try await eventually("the connection is closed") { !guest.server.connections.contains(where: \.isOpen) }
            #expect(await client.endpoints == [try Endpoint(own.address)])
            #expect(own.callCount == 5 && guest.callCount == 3 && guest.checkCount == 0)
        }
        guest.server.stop()
    }

    @Test("a call is made although another has just ended the connection that it was to use")
    func endedMeanwhile() async throws {
        let (own, guest) = (try FakeMember(), try FakeMember())
        try await FakeMember.with([own], { $0.retry = .never }) { client in
            let endpoint = try Endpoint(guest.address)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        for _ in 0..<100 { _ = try await client.maintenance.status(of: endpoint) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(guest.checkCount == 400)
        }
        guest.server.stop()
    }

    @Test("the error names an endpoint that cannot be reached, and no connection is left")
    func unreachable() async throws {
        let (own, guest) = (try FakeMember(), try FakeMember())
        guest.server.stop()
        try await FakeMember.with([own]) { client in
            let endpoint = try Endpoint(guest.address)
            let start = ContinuousClock.now
            let error = await #expect(throws: EtcdError.self) {
                try await client.with(timeout: .milliseconds(300)).maintenance.status(of: endpoint)
            }
            #expect(error?.code == .unavailable && error?.message.contains(guest.address) == true)
            #expect(.now - start < .seconds(2))
            await expectError(.unavailable) {
                let hasty = client.with(timeout: .milliseconds(300))
                for try await _ in hasty.maintenance.snapshotChunks(from: endpoint) {}
            }
            let task = Task { try await client.maintenance.status(of: endpoint) }
            task.cancel()
            await expectError(.cancelled) { try await task.value }
            try await client.put("k", "v")
        }
    }

    @Test("a call to a dead endpoint does not keep a sticky client from the others")
    func deadAndSticky() async throws {
        let members = [try FakeMember(), try FakeMember()]
        members[0].server.stop()
        try await FakeMember.with(members, { $0.failover = .sticky }) { client in
            let endpoint = try Endpoint(members[0].address)
            let task = Task { try await client.with(timeout: .seconds(3)).maintenance.status(of: endpoint) }
            let start = ContinuousClock.now
            try await client.put("k", "v")
            #expect(.now - start < .seconds(2))
            await expectError(.unavailable) { try await task.value }
        }
    }

    @Test("a member of another cluster is detected")
    func foreign() async throws {
        let (own, guest) = (try FakeMember(cluster: 7), try FakeMember(cluster: 8))
        own.onCall = { $0.answer(revision: 5) }
        try await FakeMember.with([own]) { client in
            try await client.put("k", "v")
            await expectError(.clusterMismatch) { try await client.maintenance.status(of: Endpoint(guest.address)) }
        }
        guest.server.stop()
    }

    @Test("a call that only a slow member can answer waits for it, and the member is not suspected")
    func slow() async throws {
        let members = [try FakeMember(), try FakeMember()]
        var held: [HTTP2ServerExchange] = []
        members[0].onCall = { held.append($0) }
        let log = EventLog()
        try await FakeMember.with(
            members,
            {
                $0.retry.attemptTimeout = .milliseconds(50)
                log.attach(to: &$0)
            }
        ) { client in
            let endpoint = try Endpoint(members[0].address)
            let task = Task { try await client.maintenance.hash(of: endpoint) }
            try await eventually("it is there") { held.count == 1 }
            try await Task.sleep(for: .milliseconds(300))
            held.removeFirst().answer()
            _ = try await task.value
            #expect(members.map(\.callCount) == [1, 0])
            #expect(!log.contains { if case .suspected = $0 { true } else { false } })
        }
    }

    @Test("a closed client refuses the call")
    func closed() async throws {
        let (own, guest) = (try FakeMember(), try FakeMember())
        try await FakeMember.with([own]) { client in
            await client.close()
            await expectError(.clientClosed) { try await client.maintenance.status(of: Endpoint(guest.address)) }
        }
        guest.server.stop()
    }
}
