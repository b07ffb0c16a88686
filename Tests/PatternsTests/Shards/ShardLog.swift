// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit
@testable import EtcdPatterns

/// The events of a member and its shards.
final class ShardLog: Sendable {
    private let events = Lock<[ShardCoordinator.Event]>([])

    func report(_ event: ShardCoordinator.Event) { events.withLock { $0.append(event) } }

    func count(_ isSought: (ShardCoordinator.Event) -> Bool) -> Int { events.withLock { $0.count(where: isSought) } }

    func contains(_ isSought: (ShardCoordinator.Event) -> Bool) -> Bool { count(isSought) > 0 }

    var losses: [CoordinationLoss.Reason] {
        events.withLock { $0.compactMap { if case .left(let loss) = $0 { loss.reason } else { nil } } }
    }

    var waits: Int { count { if case .waitingForID = $0 { true } else { false } } }
    var overruns: [String] {
        events.withLock { $0.compactMap { if case .overran(let shard) = $0 { shard.id } else { nil } } }
    }
    var failures: [any Error] {
        events.withLock { $0.compactMap { if case .failed(let error) = $0 { error } else { nil } } }
    }
}

/// Runs until its task is cancelled.
@Sendable func idle(_ shard: Shard) async throws {
    try await Task.sleep(for: .seconds(3600))
}
