// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The work on one shard, from the ownership to when the body has ended.
final class ShardTask: Sendable {
    enum Stage: Sendable {
        /// The body runs, or is cancelled.
        case running
        /// The key of the shard is given up, but the body may still run.
        case released
    }

    let shard: ShardOwnership
    /// The time for which the shard stays with this member; within its lifetime, so that the body is cancelled before that
    /// ends.
    private let stay: Lifetime
    private let place: Hold
    private let state = Lock(Stage.running)
    private let end = Lock<Revision?>(nil)

    init(_ shard: ShardOwnership, _ place: Hold) {
        self.shard = shard
        self.place = place
        stay = Lifetime(within: [shard.lifetime])
    }

    var stage: Stage { state.withLock { $0 } }

    /// From this revision on, the key of the shard is gone, or belongs to another owner; nil if that is not known.
    var deletion: Revision? { end.withLock { $0 } }

    /// Cancels the body; the key is deleted once it has ended.
    func handOff() { stay.end(CoordinationLoss(.released)) }

    /// The key is gone.
    func lose() { shard.lifetime.end(CoordinationLoss(.keyDeleted)) }

    /// Runs the body until it ends, and gives the shard up, at the latest when the drain time is over.
    ///
    /// Calls `wake` if it gives the shard up while the body goes on.
    ///
    /// - Returns: The event of its end.
    func run(
        drainTime: Duration,
        _ report: @escaping @Sendable (ShardCoordinator.Event) -> Void,
        wake: @escaping @Sendable () -> Void,
        _ body: @escaping @Sendable (Shard) async throws -> Void
    ) async -> ShardCoordinator.Event {
        let grant = Shard(ownership: shard)
        let result = await withTaskGroup(of: Result<Void, any Error>?.self) { group in
            group.addTask { [self] in
                do {
                    return .success(try await stay.whileHeld { try await body(grant) })
                } catch {
                    return .failure(error)
                }
            }
            group.addTask { [self] in
                do {
                    _ = try await stay.lost()
                    try await Task.sleep(for: drainTime.bounded)
                } catch {
                    // The body has ended before.
                    return nil
                }
                report(.overran(grant))
                await release()
                wake()
                return nil
            }
            defer { group.cancelAll() }
            while let outcome = await group.next() {
                if let outcome { return outcome }
            }
            return .success(())
        }
        let loss = shard.lifetime.loss
        let isHandedOff = stay.loss != nil
        await release()
        if let loss, loss.reason != .released { return .lost(grant, result.loss ?? loss.overrunUntilNow) }
        if isHandedOff { return .handedOff(grant) }
        if case .failure(let error) = result { return .ended(grant, error) }
        return .ended(grant, nil)
    }

    /// Gives the shard up; its key, too, unless that goes with the lease.
    private func release() async {
        let isGone = shard.lifetime.loss != nil || place.lifetime.loss != nil
        shard.lifetime.end(CoordinationLoss(.released))
        if !isGone {
            let session = shard.session
            // The rest of the time is for the lease, if this fails.
            let deadline = ContinuousClock.now + min(session.lease.timeToLive / 3, session.client.timeout)
            let isOwn = Compare.Target.createRevision(shard.key) == shard.createRevision
            await withoutCancellation { [key = shard.key, end] in
                do throws(EtcdError) {
                    let header = try await session.delete(key, if: [isOwn], until: deadline)
                    end.withLock { $0 = header.revision }
                } catch {
                    // Nobody else can have the shard before the key is gone, so it has to go with the lease.
                    session.lifetime.end(CoordinationLoss(.abandoned, cause: error))
                }
            }
        }
        state.withLock { $0 = .released }
    }
}

extension Result<Void, any Error> {
    fileprivate var loss: CoordinationLoss? {
        if case .failure(let error) = self { error as? CoordinationLoss } else { nil }
    }
}
