// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection: observed", .cluster, .timeLimit(.minutes(2)))
struct LeaderObservationTests {
    /// The leaders that an observer has seen.
    private final class Sightings: Sendable {
        private let seen = Lock<[LeaderElection.Leadership]>([])

        var values: [String] { seen.withLock { $0 }.map { $0.candidate.map { "\($0.value)" } ?? "none" } }

        func observe(_ election: LeaderElection) async throws {
            for try await leader in election.leaders { seen.withLock { $0.append(leader) } }
        }
    }

    private func observing(
        _ election: LeaderElection,
        _ body: (Sightings) async throws -> Void
    ) async throws {
        let sightings = Sightings()
        let task = Task { try await sightings.observe(election) }
        try await body(sightings)
        task.cancel()
        await expectCancellation { try await task.value }
    }

    @Test("an observer sees no leader, the leader, its proclamations, the next leader, and no leader again")
    func changes() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            try await observing(election) { sightings in
                func see(_ values: String...) async throws {
                    try await eventually("\(values)") { sightings.values == values }
                }
                try await see("none")
                let first = try await election.campaign()
                try await see("none", "a")
                let next = Task {
                    try await LeaderElection("\(name)", candidate: "b", on: .session(session)).campaign()
                }
                try await eventually("b waits") { try await election.candidates().count == 2 }
                try await first.proclaim("a at work")
                // A new candidate alone is not a change for observers.
                try await see("none", "a", "a at work")
                await first.resign()
                try await see("none", "a", "a at work", "b")
                await (try await next.value).resign()
                try await see("none", "a", "a at work", "b", "none")
            }
        }
    }

    @Test("an observer begins while etcd is away, and goes on through a restart and a compaction")
    func faults() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let candidate = try EtcdClient(endpoints: endpoint)
                let client = try EtcdClient(endpoints: proxy.endpoint)
                await proxy.refuseConnections()
                let observed = try LeaderElection("election", candidate: "nobody", on: .client(client))
                let session = try await Session(candidate, timeToLive: .seconds(60))
                let terms = try LeaderElection("election", candidate: "a", on: .session(session))
                let first = try await terms.campaign()
                try await observing(observed) { sightings in
                    try await proxy.acceptConnections()
                    try await eventually("the leader is seen") { sightings.values == ["a"] }
                    // While the observer is away, the leadership passes on, and the history of it is compacted.
                    await proxy.refuseConnections()
                    await proxy.reset()
                    let next = Task {
                        try await LeaderElection("election", candidate: "b", on: .session(session)).campaign()
                    }
                    try await eventually("b waits") { try await terms.candidates().count == 2 }
                    await first.resign()
                    let second = try await next.value
                    let put = try await candidate.put("other", "1")
                    try await candidate.compact(at: put.header.revision)
                    try await proxy.acceptConnections()
                    try await eventually("the next leader is seen") { sightings.values == ["a", "b"] }
                    try await cluster.members[0].restart()
                    await second.resign()
                    try await eventually("nobody is seen") { sightings.values == ["a", "b", "none"] }
                }
                await session.close()
                await client.close()
                await candidate.close()
            }
        }
    }

    @Test("an observer whose client is closed gets an error")
    func clientClosed() async throws {
        let client = try EtcdClient(endpoints: try await liveEndpoint())
        let election = try LeaderElection("closed", candidate: "a", on: .client(client))
        var leaders = election.leaders.makeAsyncIterator()
        #expect(try await leaders.next() == .some(.none))
        await client.close()
        await expectError(.clientClosed) { try await leaders.next() }
    }
}
