// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// A member of a group, behind a proxy of its own, that comes and goes.
final class ChurnMember: Sendable {
    private struct Life {
        let client: EtcdClient
        let coordinator: ShardCoordinator
        let task: Task<Void, any Error>
    }

    let id: String
    let proxy: FaultProxy
    private let name: Key
    private let shardCount: Int
    private let timeToLive: Duration
    private let history: OwnershipHistory
    private let life = Lock<Life?>(nil)

    init(
        _ id: String,
        _ name: Key,
        _ shardCount: Int,
        _ timeToLive: Duration,
        to endpoint: String,
        _ history: OwnershipHistory
    ) async throws {
        self.id = id
        self.name = name
        self.timeToLive = timeToLive
        self.shardCount = shardCount
        self.history = history
        proxy = try await FaultProxy.start(to: endpoint)
    }

    var isThere: Bool { life.withLock { $0 != nil } }
    var owned: [Shard] { life.withLock { $0?.coordinator }?.owned ?? [] }

    func join() throws {
        let client = try EtcdClient(endpoints: proxy.endpoint)
        let coordinator = try ShardCoordinator(
            "\(name)",
            shards: .numbered(shardCount),
            memberID: id,
            client: client,
            timeToLive: timeToLive,
            drainTime: .seconds(5)
        )
        let task = Task { [id, name, history] in
            try await coordinator.run { shard in
                history.begin(shard, at: id)
                let write = [TransactionOperation.put(name + "/data/" + Key(shard.id), "\(shard.fencingToken)")]
                while !Task.isCancelled {
                    _ = try? await shard.guarded(then: write)
                    try? await Task.sleep(for: .milliseconds(.random(in: 500...2000)))
                }
                // A body that is cancelled may still write as long as the shard is its own.
                _ = await Task { try? await shard.guarded(then: write) }.value
            }
        }
        life.withLock { $0 = Life(client: client, coordinator: coordinator, task: task) }
    }

    /// Hands all shards off.
    func leave() async throws {
        guard let life = takeLife() else { return }
        life.task.cancel()
        try await life.task.value
        await life.client.close()
    }

    /// Leaves without a handoff.
    func crash() async {
        guard let life = takeLife() else { return }
        await life.client.close()
        life.task.cancel()
        _ = await life.task.result
    }

    private func takeLife() -> Life? {
        life.withLock { life in
            defer { life = nil }
            return life
        }
    }
}
