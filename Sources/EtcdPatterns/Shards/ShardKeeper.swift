// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Makes a member own the shards that it should own, from joining to the loss of its place.
///
/// It looks at the store's state, not at the outcome of its calls: a shard is owned when the mirror shows its key with the
/// lease of this membership's own session. So a lost answer does not matter. It looks again after each change.
struct ShardKeeper: Sendable {
    /// How many shards one transaction claims: the server allows 128 operations, and as many conditions.
    private static let batchSize = 120

    private struct State {
        /// A claim is under way.
        var isClaiming = false
        /// How many claims have failed one after the other.
        var failures = 0
        /// The mirror knows of the outcome of the last claim of a shard at this revision.
        var settled: [Key: Revision] = [:]
        /// Shards that were claimed, perhaps with an answer that was lost, and may turn out to be owned.
        var unsettled: Set<Key> = []
        /// Keys of owners that will stay until somebody deletes them, which was reported.
        var strays: Set<Key> = []
        /// The time when members were first missing.
        var missing: [Key: ContinuousClock.Instant] = [:]
        var present: Set<Key> = []
        var revision: Revision = 0
        /// The error because of which it cannot go on.
        var ending: EtcdError?
    }

    let coordinator: ShardCoordinator
    let place: Hold
    let mirror: KeyMirror
    let service: Lifetime
    let work: ShardWork
    private let state = Lock(State())
    private let targets = Lock<(members: [Key], shards: Set<Key>)>(([], []))

    private var session: Session { place.session }
    private var isServing: Bool {
        place.lifetime.loss == nil && service.loss == nil && state.withLock { $0.ending == nil }
    }

    /// Keeps shards until the place among the members is lost, the service ends, or the store cannot be followed; then
    /// cancels all bodies, and waits for those that end within the drain time.
    ///
    /// - Throws: The error because of which the store cannot be followed, or shards cannot be claimed.
    func run() async throws(EtcdError) {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                do throws(EtcdError) {
                    for try await _ in mirror.views { work.wake() }
                } catch {
                    // This task's own cancellation is no failure.
                    if !Task.isCancelled { end(error) }
                }
            }
            group.addTask { [self] in await lookAfterInterruptions() }
            for lifetime in [place.lifetime, service] {
                group.addTask { [work] in
                    _ = try? await lifetime.lost()
                    work.wake()
                }
            }
            // It may have been lost before.
            work.wake()
            for await _ in work.wakes {
                reconcile(&group)
                if !isServing && !work.isBusy { break }
            }
            group.cancelAll()
        }
        if let error = state.withLock({ $0.ending }) { throw error }
    }

    /// Gives all shards up, because of this error.
    private func end(_ error: EtcdError) {
        state.withLock { $0.ending = $0.ending ?? error }
        work.wake()
    }

    // MARK: One look

    private func reconcile(_ group: inout DiscardingTaskGroup) {
        let content = mirror.view
        if content.revision >= place.createRevision, content[place.key]?.createRevision != place.createRevision {
            place.lifetime.end(CoordinationLoss(.keyDeleted))
        }
        let isRestored = state.withLock { state in
            defer { state.revision = content.revision }
            return content.revision < state.revision
        }
        // Its revisions are void, and others may own the same shards.
        if isRestored { session.lifetime.end(CoordinationLoss(.revisionRegressed)) }
        let isServing = isServing
        let shards = isServing ? targets(in: content, &group) : []
        for (id, task) in work.tasks {
            if content[task.shard.key]?.createRevision != task.shard.createRevision { task.lose() }
            if !shards.contains(id) { task.handOff() }
        }
        if !isServing { return }
        let unsettled = state.withLock { $0.unsettled }
        for id in shards.union(unsettled) {
            guard let entry = content[coordinator.ownerPrefix + id] else { continue }
            if entry.lease == session.lease.id {
                let shard = ShardOwnership(of: id, entry, on: place)
                if work.isRevived(shard, at: content.revision) {
                    session.lifetime.end(CoordinationLoss(.revisionRegressed))
                    return work.wake()
                }
                let task = work.begin(shard, place)
                if !shards.contains(id) { task?.handOff() }
            } else if entry.lease == nil, state.withLock({ $0.strays.insert(id).inserted }) {
                let message = "shard \"\(id)\" never becomes free: \(entry.key) has no lease"
                coordinator.report(.failed(EtcdError(.invalidArgument, message)))
            }
        }
        claimFree(among: shards, in: content, &group)
    }

    /// Begins to claim the shards without an owner.
    private func claimFree(among shards: Set<Key>, in content: MirrorView, _ group: inout DiscardingTaskGroup) {
        let tasks = work.tasks
        let claims = state.withLock { state in
            if state.isClaiming { return [Key]() }
            let claims = shards.filter { id in
                tasks[id] == nil && content[coordinator.ownerPrefix + id] == nil
                    && state.settled[id] ?? 0 <= content.revision
            }
            state.isClaiming = !claims.isEmpty
            state.unsettled.formUnion(claims)
            state.strays.subtract(claims)
            return claims.sorted()
        }
        if !claims.isEmpty { group.addTask { [self] in await claim(claims) } }
    }

    /// The shards that this member should own.
    private func targets(in content: MirrorView, _ group: inout DiscardingTaskGroup) -> Set<Key> {
        let prefix = coordinator.group.prefix
        let entries = content.entries(in: .prefix(prefix))
        let view = GroupView(epoch: content.revision, entries: entries, behind: prefix)
        // Those that were given other shards divide them among themselves.
        let present = Set(view.members.filter { $0.value == coordinator.fingerprint }.map { Key($0.id) })
        var members = present
        let grace = coordinator.restartGrace
        if grace > .zero {
            let now = ContinuousClock.now
            let (all, hasNew) = state.withLock { state in
                let gone = state.present.subtracting(present)
                for id in gone { state.missing[id] = now }
                state.present = present
                state.missing = state.missing.filter { !present.contains($0.key) && now - $0.value < grace }
                return (present.union(state.missing.keys), !gone.isEmpty)
            }
            members = all
            if hasNew {
                group.addTask { [work] in
                    await Task.pause(for: grace)
                    work.wake()
                }
            }
        }
        let sorted = members.sorted()
        let known = targets.withLock { $0 }
        if known.members == sorted { return known.shards }
        let owners = ShardAssignment.owners(of: coordinator.shards.map { Key($0) }, among: sorted)
        let member = Key(coordinator.memberID)
        let shards = Set(owners.filter { $0.value == member }.keys)
        targets.withLock { $0 = (sorted, shards) }
        return shards
    }

    // MARK: Restored stores

    /// Reads the owners of the shards after each interruption, in which the store may have been restored from a backup: once
    /// that has grown beyond the revision of the mirror, the mirror takes it for the same store.
    private func lookAfterInterruptions() async {
        var revision = place.createRevision
        let client = session.client
        do throws(EtcdError) {
            while try await !client.awaitChange(in: .key(place.key), after: revision, { $0.kind == .delete }) {
                let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                    try await client.range(.prefix(coordinator.ownerPrefix))
                }
                revision = response.header.revision
                if contradicts(response.entries, asOf: revision) {
                    session.lifetime.end(CoordinationLoss(.revisionRegressed))
                }
            }
        } catch {
            // The mirror fails in the same way, and that ends the membership.
        }
    }

    /// Whether the store lacks a shard that this member owns, or has one that it has given up.
    private func contradicts(_ entries: [KeyValue], asOf revision: Revision) -> Bool {
        let known = Dictionary(entries.map { ($0.key, $0) }) { $1 }
        let isLost = work.tasks.values.contains { task in
            task.shard.session === session && task.shard.lifetime.loss == nil && task.shard.createRevision <= revision
                && known[task.shard.key]?.createRevision != task.shard.createRevision
        }
        if isLost { return true }
        return entries.contains { entry in
            let id = Key(bytes: Array(entry.key.bytes.dropFirst(coordinator.ownerPrefix.bytes.count)))
            return entry.lease == session.lease.id
                && work.isRevived(ShardOwnership(of: id, entry, on: place), at: revision)
        }
    }

    // MARK: Claims

    /// Puts the keys of shards without an owner, as long as the member has its place.
    private func claim(_ shards: [Key]) async {
        var rest = shards
        do throws(EtcdError) {
            while !rest.isEmpty, isServing {
                let batch = Array(rest.prefix(Self.batchSize))
                let taken = try await claimAtOnce(batch)
                state.withLock { $0.failures = 0 }
                // All of them are the member's now, or all but these can be.
                rest = batch.filter { !taken.isEmpty && !taken.contains($0) } + rest.dropFirst(batch.count)
            }
        } catch {
            if session.lifetime.loss != nil {
                // It joins again.
            } else if error.mayPass {
                coordinator.report(.failed(error))
                let failures = state.withLock { state in
                    state.failures = min(state.failures + 1, 1000)
                    return state.failures
                }
                await Task.pause(for: Backoff().delay(afterFailures: failures))
            } else {
                end(error)
            }
        }
        state.withLock { $0.isClaiming = false }
        work.wake()
    }

    /// Puts the keys of shards, unless one of them has an owner.
    ///
    /// They are not claimed one by one within one transaction, since some servers do not check permissions there.
    ///
    /// - Returns: Those that have an owner.
    private func claimAtOnce(_ shards: [Key]) async throws(EtcdError) -> Set<Key> {
        let keys = shards.map { coordinator.ownerPrefix + $0 }
        let value = Value(coordinator.memberID)
        let response = try await session.transaction(
            if: [place.isCurrent] + keys.map { .isMissing($0) },
            then: keys.map { .put($0, value, lease: session.lease.id) },
            else: [.get(place.key)] + keys.map { .get($0) },
            timeout: min(session.lease.timeToLive, session.client.timeout)
        )
        var taken: Set<Key> = []
        if !response.succeeded {
            if !place.isMet(by: response.results.first?.entries.first) {
                place.lifetime.end(CoordinationLoss(.guardFailed))
            }
            for (id, result) in zip(shards, response.results.dropFirst()) where !result.entries.isEmpty {
                taken.insert(id)
            }
        }
        state.withLock { state in
            for id in response.succeeded ? Set(shards) : taken { state.settled[id] = response.header.revision }
        }
        return taken
    }
}
