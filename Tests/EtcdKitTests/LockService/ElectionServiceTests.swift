// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("ElectionService", .cluster, .timeLimit(.minutes(1)))
struct ElectionServiceTests {
    @Test("one leads at a time, says what it wants, and resigns")
    func leadership() async throws {
        try await withLiveClient { client, prefix in
            let election = client.electionService
            #expect(try await election.leader(of: prefix) == nil)
            let (first, second) = (try await lease(client), try await lease(client))
            let won = try await election.campaign(prefix, value: "one", lease: first)
            #expect(won.election == prefix)
            #expect(won.lease == first)
            let entry = try #require(try await election.leader(of: prefix))
            #expect(entry.key == won.key && entry.value == "one" && entry.createRevision == won.createRevision)
            try await election.proclaim("still one", as: won)
            #expect(try await election.leader(of: prefix)?.value == "still one")

            let waiter = Task { try await election.campaign(prefix, value: "two", lease: second) }
            try await eventually("the second waits") { try await client.range(.prefix(prefix)).count == 2 }
            try await election.resign(won)
            let next = try await waiter.value
            #expect(next.lease == second)
            #expect(try await election.leader(of: prefix)?.value == "two")

            await expectError(.leadershipLost) { try await election.proclaim("me again", as: won) }
            try await election.resign(won)
            #expect(try await election.leader(of: prefix)?.value == "two")
            try await election.resign(next)
            #expect(try await election.leader(of: prefix) == nil)
        }
    }

    @Test("a campaign that times out is ambiguous, and leaves no key behind")
    func deadline() async throws {
        try await withLiveClient { client, prefix in
            let (first, second) = (try await lease(client), try await lease(client))
            _ = try await client.electionService.campaign(prefix, value: "one", lease: first)
            await expectError(.ambiguous) {
                let hasty = client.with(timeout: .milliseconds(300)).electionService
                _ = try await hasty.campaign(prefix, value: "two", lease: second)
            }
            try await eventually("the candidate is gone") { try await client.range(.prefix(prefix)).count == 1 }
            await expectError(.leaseNotFound) {
                let unknown = Lease.ID(rawValue: 4711)
                _ = try await client.electionService.campaign(prefix, value: "three", lease: unknown)
            }
        }
    }

    @Test("an observer sees the leaders, and what they say")
    func observation() async throws {
        try await withLiveClient { client, prefix in
            let election = client.electionService
            let (first, second) = (try await lease(client), try await lease(client))
            let won = try await election.campaign(prefix, value: "one", lease: first)
            var leaders = election.observe(prefix).makeAsyncIterator()
            #expect(try await leaders.next()?.value == "one")
            try await election.proclaim("still one", as: won)
            #expect(try await leaders.next()?.value == "still one")
            try await election.resign(won)
            _ = try await election.campaign(prefix, value: "two", lease: second)
            #expect(try await leaders.next()?.value == "two")
        }
    }

    @Test("an observation waits for the first leader, is cancelled with its task, and ends with its iterator")
    func waiting() async throws {
        try await withLiveClient { client, prefix in
            let observer = Task {
                // The time for calls has nothing to do with it.
                let hasty = client.with(timeout: .milliseconds(500))
                var leaders = hasty.electionService.observe(prefix).makeAsyncIterator()
                return try await leaders.next()?.value
            }
            let start = ContinuousClock.now
            try await eventually("it has begun, and waits for longer than a call may take") {
                let isOpen = await client.openStreamCount == 1
                return isOpen && .now - start > .milliseconds(1200)
            }
            let won = try await client.electionService.campaign(prefix, value: "one", lease: lease(client))
            #expect(try await observer.value == "one")
            try await eventually("it is gone") { await client.openStreamCount == 0 }

            let cancelled = Task {
                var leaders = client.electionService.observe(prefix).makeAsyncIterator()
                while try await leaders.next() != nil {}
            }
            try await eventually("it has begun") { await client.openStreamCount == 1 }
            cancelled.cancel()
            await expectError(.cancelled) { try await cancelled.value }
            try await eventually("it is gone") { await client.openStreamCount == 0 }
            try await client.electionService.resign(won)
        }
    }

    @Test("an observation ends when its connection breaks, and when the client is closed")
    func ending() async throws {
        try await withPrivateEtcd { client, cluster in
            let election = client.electionService
            _ = try await election.campaign("election", value: "one", lease: lease(client))
            var leaders = election.observe("election").makeAsyncIterator()
            _ = try await leaders.next()
            await cluster.members[0].kill()
            await expectError(.unavailable) { try await leaders.next() }
            // It stays so.
            await expectError(.unavailable) { try await leaders.next() }

            try await cluster.members[0].restart()
            var others = election.observe("election").makeAsyncIterator()
            #expect(try await others.next()?.value == "one")
            await client.close()
            await expectError(.unavailable) { try await others.next() }
            var late = election.observe("election").makeAsyncIterator()
            await expectError(.clientClosed) { try await late.next() }
        }
    }

    private func lease(_ client: EtcdClient) async throws -> Lease.ID {
        try await client.leases.grant(timeToLive: .seconds(60)).id
    }
}
