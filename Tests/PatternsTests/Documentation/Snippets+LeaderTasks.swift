// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// Leader tasks, membership, shards.
extension Snippets {
    static func leaderTask(_ client: EtcdClient, _ report: @escaping @Sendable () async throws -> Void) async throws {
        let election = try LeaderElection("reports/leader", candidate: "node-1", on: .client(client))
        let task = try LeaderTask("reports/hourly", on: election, every: .seconds(3600)) { run in
            try await report()
            try await run.guarded(then: [.put("reports/last", "\(run.slot)")])
        }
        try await task.run()
    }

    static func startedTask(_ task: LeaderTask) async throws {
        task.start()
        if let status = try await task.status() {
            print(status.slot, status.leader, status.outcome, status.missedCount)
            if let last = status.lastCompleted { print("completed last:", last) }
        }
        await task.stop()
    }

    static func missedRuns(
        _ election: LeaderElection,
        _ settle: @escaping @Sendable (LeaderTask.Run) async throws -> Void
    ) throws -> LeaderTask {
        let task = try LeaderTask(
            "billing/daily",
            on: election,
            every: .seconds(24 * 3600),
            missedRuns: .all(limit: 7),
            onEvent: { event in
                switch event {
                case .failed(let slot, let error): print("the run of \(slot) has failed:", error)
                case .missed(let count, let slot): print("\(count) runs until \(slot) were missed")
                case .elected(let term): print("this node leads, in term \(term.fencingToken)")
                case .defeated(let loss): print("this node leads no more:", loss)
                default: break
                }
            }
        ) { run in
            try await settle(run)
        }
        return task
    }

    static func tasksTogether(_ election: LeaderElection, _ cleanup: LeaderTask, _ report: LeaderTask) async throws {
        try await election.run { term in
            async let cleaning: Void = cleanup.run(in: term)
            async let reporting: Void = report.run(in: term)
            _ = try await (cleaning, reporting)
        }
    }

    static func membership(_ client: EtcdClient) async throws {
        let group = try MemberGroup("workers", on: .client(client))
        try await group.withMembership(as: "worker-1", value: "10.0.0.7") { membership in
            for try await view in group.views {
                let isMine = view.owner(of: "customer-7")?.id == membership.id
                print(view.epoch, view.members.map(\.id), isMine, view.isMajority(of: 5))
            }
        }
    }

    static func shards(
        _ client: EtcdClient,
        _ nextOrder: @escaping @Sendable (Shard) async throws -> Key
    ) async throws {
        let shards = try ShardCoordinator("orders", shards: .numbered(64), memberID: "worker-1", client: client)
        try await shards.run { shard in
            while !Task.isCancelled {
                let order = try await nextOrder(shard)
                try await shard.guarded(then: [.put("done/" + order, "by shard \(shard.id)")])
            }
        }
    }

    static func shardOwners(_ shards: ShardCoordinator) async throws {
        print("here:", shards.owned.map(\.id))
        for owner in try await shards.owners() { print(owner.shard, owner.member ?? "nobody") }
    }

    static func shardEvents(_ client: EtcdClient) throws -> ShardCoordinator {
        let shards = try ShardCoordinator(
            "orders",
            shards: .named(["north", "east", "south", "west"]),
            memberID: "worker-1",
            client: client,
            restartGrace: .seconds(30),
            onEvent: { event in
                switch event {
                case .lost(let shard, let loss): print(shard.id, loss, loss.overrun ?? .zero)
                case .overran(let shard): print(shard.id, "still runs after its cancellation")
                case .ended(let shard, let error?): print(shard.id, "runs again after", error)
                default: break
                }
            }
        )
        return shards
    }
}
