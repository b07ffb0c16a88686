// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The bodies that work on shards while a coordinator runs, from one membership to the next.
///
/// A body that does not end when it is cancelled keeps this member only from that shard.
final class ShardWork: Sendable {
    private struct State {
        /// Shards on which a body works, or whose body has just ended by itself.
        var tasks: [Key: ShardTask] = [:]
        /// The work under the last ownership of a shard that was given up.
        var released: [Key: ShardTask] = [:]
        /// How often the body of a shard has ended by itself.
        var failures: [Key: Int] = [:]
    }

    private let drainTime: Duration
    private let report: @Sendable (ShardCoordinator.Event) -> Void
    private let body: @Sendable (Shard) async throws -> Void
    private let state = Lock(State())
    private let (begun, starter) = AsyncStream.makeStream(of: ShardTask.self)
    private let changes = LatestValue<Void>()

    init(_ coordinator: ShardCoordinator, _ body: @escaping @Sendable (Shard) async throws -> Void) {
        drainTime = coordinator.drainTime
        report = coordinator.report
        self.body = body
    }

    /// Signals that something has changed.
    func wake() { changes.send(()) }

    /// Wakes after each change.
    var wakes: AsyncStream<Void> { changes.listen() }

    /// The tasks, by the names of their shards.
    var tasks: [Key: ShardTask] { state.withLock { $0.tasks } }

    /// A body works on a shard of which this member has the key, as far as is known.
    var isBusy: Bool { tasks.values.contains { !$0.isReleased } }

    var owned: [Shard] {
        tasks.values.map(\.shard).filter { $0.lifetime.loss == nil }.sorted { $0.name < $1.name }
            .map { Shard(ownership: $0) }
    }

    /// Runs `members`, and the bodies that begin meanwhile, and waits for all of them.
    ///
    /// - Returns: The result of `members`.
    func run(_ members: @escaping @Sendable () async -> (any Error)?) async -> (any Error)? {
        await withTaskGroup(of: (any Error)?.self) { group in
            group.addTask { [starter] in
                defer { starter.finish() }
                return await members()
            }
            for await task in begun {
                group.addTask {
                    await self.run(task)
                    return nil
                }
            }
            // The pauses after bodies that have ended.
            group.cancelAll()
            return await group.reduce(nil) { $0 ?? $1 }
        }
    }

    /// Begins to work on a shard that this member owns.
    ///
    /// - Returns: The work; nil if this very ownership was given up already.
    func begin(_ shard: ShardOwnership, _ place: Hold) -> ShardTask? {
        let task = state.withLock { state -> ShardTask? in
            if state.tasks[shard.name] != nil { return nil }
            if state.released[shard.name]?.shard.isSame(as: shard) ?? false { return nil }
            let task = ShardTask(shard, place)
            state.tasks[shard.name] = task
            return task
        }
        if let task { starter.yield(task) }
        return task
    }

    /// Whether an ownership is there again that was given up before the store's `revision`: then the store was restored from
    /// a backup that does not know of it.
    func isRevived(_ shard: ShardOwnership, at revision: Revision) -> Bool {
        guard let last = state.withLock({ $0.released[shard.name] }), let deletion = last.deletion else { return false }
        return last.shard.isSame(as: shard) && deletion <= revision
    }

    /// Runs the body until it ends, and gives the shard up, at the latest when the drain time is over.
    private func run(_ task: ShardTask) async {
        let (id, grant) = (task.shard.name, Shard(ownership: task.shard))
        report(.owned(grant))
        let start = ContinuousClock.now
        var failure: (any Error)?
        do {
            try await task.stay.whileHeld { [self] in
                try await supervised(drainTime.bounded) { [self] in
                    try await body(grant)
                } onOverrun: { [self] in
                    report(.overran(grant))
                    await task.release()
                    wake()
                }
            }
        } catch {
            failure = error
        }
        let event = await task.finish(failure)
        report(event)
        let backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(30), multiplier: 2)
        let failures = state.withLock { state in
            state.released[id] = task
            guard case .ended = event else {
                state.failures[id] = nil
                return 0
            }
            let isLong = .now - start > backoff.maximum
            let failures = isLong ? 1 : min(state.failures[id] ?? 0, 1000) + 1
            state.failures[id] = failures
            return failures
        }
        wake()
        // It is cancelled once all else has ended.
        await Task.pause(for: backoff.delay(afterFailures: failures))
        state.withLock { $0.tasks[id] = nil }
        wake()
    }
}

/// The work on one shard, from the ownership to when the body has ended.
final class ShardTask: Sendable {
    private struct State {
        var isReleased = false
        var deletion: Revision?
    }

    let shard: ShardOwnership
    /// The time for which the shard stays with this member; within its lifetime, so that the body is cancelled before that
    /// ends.
    let stay: Lifetime
    private let place: Hold
    private let state = Lock(State())

    init(_ shard: ShardOwnership, _ place: Hold) {
        self.shard = shard
        self.place = place
        stay = Lifetime(within: [shard.lifetime])
    }

    /// The key of the shard is given up, but the body may still run.
    var isReleased: Bool { state.withLock { $0.isReleased } }

    /// From this revision on, the key of the shard is gone, or belongs to another owner; nil if that is not known.
    var deletion: Revision? { state.withLock { $0.deletion } }

    /// Cancels the body; the key is deleted once it has ended.
    func handOff() { stay.end(CoordinationLoss(.released)) }

    /// The key is gone.
    func lose() { shard.lifetime.end(CoordinationLoss(.keyDeleted)) }

    /// Gives the shard up once the body has ended, which has thrown `failure` if it is not nil.
    ///
    /// - Returns: The event of its end.
    func finish(_ failure: (any Error)?) async -> ShardCoordinator.Event {
        let grant = Shard(ownership: shard)
        let loss = shard.lifetime.loss
        let isHandedOff = stay.loss != nil
        await release()
        if let loss, loss.reason != .released {
            return .lost(grant, failure as? CoordinationLoss ?? loss.overrunUntilNow)
        }
        return isHandedOff ? .handedOff(grant) : .ended(grant, failure)
    }

    /// Gives the shard up; its key, too, unless that goes with the lease.
    func release() async {
        let isGone = shard.lifetime.loss != nil || place.lifetime.loss != nil
        shard.lifetime.end(CoordinationLoss(.released))
        if !isGone {
            let session = shard.session
            // The rest of the time is for the lease, if this fails.
            let deadline = ContinuousClock.now + min(session.lease.timeToLive / 3, session.client.timeout)
            let isOwn = Compare.Target.createRevision(shard.key) == shard.createRevision
            await withoutCancellation { [self] in
                do throws(EtcdError) {
                    let header = try await session.delete(shard.key, if: [isOwn], until: deadline)
                    state.withLock { $0.deletion = header.revision }
                } catch {
                    // Nobody else can have the shard before the key is gone, so it has to go with the lease.
                    session.lifetime.end(CoordinationLoss(.abandoned, cause: error))
                }
            }
        }
        state.withLock { $0.isReleased = true }
    }
}
