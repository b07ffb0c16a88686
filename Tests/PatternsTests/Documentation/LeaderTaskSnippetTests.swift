// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The code about leader tasks, membership and shards", .cluster, .timeLimit(.minutes(2)))
struct LeaderTaskSnippetTests {
    @Test("it runs")
    func run() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                // The second time, on the store that the first run has left.
                for _ in 1...2 {
                    let task = Task { try await Snippets.leaderTask(client) {} }
                    let reports = try LeaderElection("reports/leader", candidate: "a", on: .client(client))
                    try await eventually("it leads, and waits for the next hour") {
                        let record = try await client.get("reports/hourly/task")
                        return try await reports.leader() != nil && record != nil
                    }
                    task.cancel()
                    _ = await task.result
                    #expect(try await client.range(.prefix("reports/leader/")).count == 0)

                    let election = try LeaderElection("billing/leader", candidate: "a", on: .client(client))
                    let daily = try Snippets.missedRuns(election) { _ in }
                    try await Snippets.startedTask(daily)
                    let other = try LeaderTask("billing/hourly", on: election, every: .seconds(3600)) { _ in }
                    let together = Task { try await Snippets.tasksTogether(election, daily, other) }
                    try await eventually("both have begun") {
                        let statuses = (try await daily.status(), try await other.status())
                        return statuses.0 != nil && statuses.1 != nil
                    }
                    together.cancel()
                    _ = await together.result

                    let membership = Task { try await Snippets.membership(client) }
                    try await MemberGroup("workers", on: .client(client)).waitUntil(memberCount: 1)
                    membership.cancel()
                    await expectCancellation { try await membership.value }

                    let start = try await client.range(.prefix("done/")).header.revision
                    let shards = Task { try await Snippets.shards(client) { "order-of-\($0.id)" } }
                    try await eventually("each shard has done something") {
                        let done = try await client.range(.prefix("done/")).entries
                        return done.count == 64 && done.allSatisfy { $0.modRevision > start }
                    }
                    shards.cancel()
                    try await shards.value
                    try await Snippets.shardOwners(Snippets.shardEvents(client))
                }
            }
        }
    }
}
