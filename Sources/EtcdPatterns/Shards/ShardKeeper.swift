// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Brings what a member owns in line with what it should, from joining to the loss of its place.
///
/// It looks at the store's state, not at the outcome of its calls: a shard is owned when the mirror shows its key with this
/// session's lease. So it does not matter which answer was lost. It looks again whenever something has happened.
final class ShardKeeper: Sendable {
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
        /// When members were missed first.
        var missing: [Key: ContinuousClock.Instant] = [:]
        var present: Set<Key> = []
        var revision: Revision = 0
        /// Why it cannot go on.
        var ending: EtcdError?
    }

    private let coordinator: ShardCoordinator
    private let seat: LockGrant
    private let mirror: KeyMirror
    private let service: Tenure
    private let work: ShardWork
    private let state = Lock(State())
    private let targets = Lock<(members: [Key], shards: Set<Key>)>(([], []))

    init(
        _ coordinator: ShardCoordinator,
        _ seat: LockGrant,
        _ mirror: KeyMirror,
        _ service: Tenure,
        _ work: ShardWork
    ) {
        self.coordinator = coordinator
        self.seat = seat
        self.mirror = mirror
        self.service = service
        self.work = work
    }

    private var session: Session { seat.hold.queue.session }
    private var isServing: Bool { seat.isHeld && service.loss == nil && state.withLock { $0.ending == nil } }

    /// Keeps shards until the place among the members is lost, the service ends, or the store cannot be followed; then
    /// tells all bodies to end, and waits for those that do within the drain time.
    ///
    /// - Throws: Why the store cannot be followed, or shards cannot be claimed.
    func run() async throws(EtcdError) {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                do throws(EtcdError) {
                    for try await _ in mirror.views { work.wake() }
                } catch {
                    // Of this task's own cancellation, there is nothing to tell.
                    if !Task.isCancelled { end(error) }
                }
            }
            group.addTask { [self] in await lookAfterInterruptions() }
            for tenure in [seat.hold.tenure, service] {
                group.addTask { [work] in
                    _ = try? await tenure.lost()
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

    /// Gives all shards up, for this reason.
    private func end(_ error: EtcdError) {
        state.withLock { $0.ending = $0.ending ?? error }
        work.wake()
    }

    // MARK: One look

    private func reconcile(_ group: inout DiscardingTaskGroup) {
        let snapshot = mirror.view
        if snapshot.revision >= seat.fencingToken, snapshot[seat.key]?.createRevision != seat.fencingToken {
            seat.hold.tenure.end(CoordinationLoss(.keyDeleted))
        }
        let isRestored = state.withLock { state in
            defer { state.revision = snapshot.revision }
            return snapshot.revision < state.revision
        }
        // All knowledge of its revisions is void; others may own by them what is owned here.
        if isRestored { session.tenure.end(CoordinationLoss(.revisionRegressed)) }
        let isServing = isServing
        let shards = isServing ? targets(in: snapshot, &group) : []
        for (id, task) in work.tasks {
            if snapshot[task.shard.key]?.createRevision != task.shard.fencingToken { task.lose() }
            if !shards.contains(id) { task.handOff() }
        }
        if !isServing { return }
        let unsettled = state.withLock { $0.unsettled }
        for id in shards.union(unsettled) {
            guard let entry = snapshot[coordinator.ownerPrefix + id] else { continue }
            if entry.lease == session.lease.id {
                let shard = shard(id, entry)
                if work.isRevived(shard, at: snapshot.revision) {
                    session.tenure.end(CoordinationLoss(.revisionRegressed))
                    return work.wake()
                }
                let task = work.begin(shard, seat.hold)
                if !shards.contains(id) { task?.handOff() }
            } else if entry.lease == nil, state.withLock({ $0.strays.insert(id).inserted }) {
                let message = "shard \"\(id)\" never becomes free: \(entry.key) has no lease"
                coordinator.report(.failed(EtcdError(.invalidArgument, message)))
            }
        }
        claimFree(among: shards, in: snapshot, &group)
    }

    /// Begins to claim the shards that nobody owns.
    private func claimFree(among shards: Set<Key>, in snapshot: MirrorView, _ group: inout DiscardingTaskGroup) {
        let tasks = work.tasks
        let claims = state.withLock { state in
            if state.isClaiming { return [Key]() }
            let claims = shards.filter { id in
                tasks[id] == nil && snapshot[coordinator.ownerPrefix + id] == nil
                    && state.settled[id] ?? 0 <= snapshot.revision
            }
            state.isClaiming = !claims.isEmpty
            state.unsettled.formUnion(claims)
            state.strays.subtract(claims)
            return claims.sorted()
        }
        if !claims.isEmpty { group.addTask { [self] in await claim(claims) } }
    }

    private func shard(_ id: Key, _ entry: KeyValue) -> Shard {
        Shard(
            id: id,
            key: entry.key,
            fencingToken: entry.createRevision,
            tenure: Tenure(within: seat.hold.tenure),
            session: session
        )
    }

    /// The shards that this member should own.
    private func targets(in snapshot: MirrorView, _ group: inout DiscardingTaskGroup) -> Set<Key> {
        let view = GroupView(snapshot, behind: coordinator.group.prefix)
        // Those that were given other shards divide them among themselves.
        let present = Set(view.members.filter { $0.value == coordinator.fingerprint }.map(\.id))
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
        let owners = ShardAssignment.owners(of: coordinator.shards, among: sorted)
        let shards = Set(owners.filter { $0.value == coordinator.memberID }.keys)
        targets.withLock { $0 = (sorted, shards) }
        return shards
    }

    // MARK: Restored stores

    /// Reads who owns the shards after each interruption, in which the store may have been restored from a backup: once that
    /// has grown beyond what the mirror knows, the mirror takes it for the store of before.
    private func lookAfterInterruptions() async {
        var revision = seat.fencingToken
        let client = session.client
        do throws(EtcdError) {
            while try await !client.awaitChange(in: .key(seat.key), after: revision, { $0.kind == .delete }) {
                let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                    try await client.range(.prefix(coordinator.ownerPrefix))
                }
                revision = response.header.revision
                if contradicts(response.entries, asOf: revision) {
                    session.tenure.end(CoordinationLoss(.revisionRegressed))
                }
            }
        } catch {
            // The mirror fails in the same way, and that ends the membership.
        }
    }

    /// Whether the store has lost what this member owns, or has what it has given up.
    private func contradicts(_ entries: [KeyValue], asOf revision: Revision) -> Bool {
        let known = Dictionary(entries.map { ($0.key, $0) }) { $1 }
        let isLost = work.tasks.values.contains { task in
            task.shard.session === session && task.shard.isOwned && task.shard.fencingToken <= revision
                && known[task.shard.key]?.createRevision != task.shard.fencingToken
        }
        if isLost { return true }
        return entries.contains { entry in
            let id = Key(bytes: Array(entry.key.bytes.dropFirst(coordinator.ownerPrefix.bytes.count)))
            return entry.lease == session.lease.id && work.isRevived(shard(id, entry), at: revision)
        }
    }

    // MARK: Claims

    /// Puts the keys of shards that nobody owns, as long as the member has its place.
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
            if session.tenure.loss != nil {
                // It joins again.
            } else if error.code == .ambiguous || error.code.isTransient {
                coordinator.report(.failed(error))
                let failures = state.withLock { state in
                    state.failures = min(state.failures + 1, 1000)
                    return state.failures
                }
                try? await Task.sleep(for: Backoff().delay(afterFailures: failures))
            } else {
                end(error)
            }
        }
        state.withLock { $0.isClaiming = false }
        work.wake()
    }

    /// Puts the keys of shards, unless one of them has an owner.
    ///
    /// They are not claimed one by one within one transaction, since some servers do not check permissions in there.
    ///
    /// - Returns: Those that have an owner.
    private func claimAtOnce(_ shards: [Key]) async throws(EtcdError) -> Set<Key> {
        let keys = shards.map { coordinator.ownerPrefix + $0 }
        let value = Value(bytes: coordinator.memberID.bytes)
        let response = try await session.transaction(
            if: [seat.isCurrent] + keys.map { .isMissing($0) },
            then: keys.map { .put($0, value, lease: session.lease.id) },
            else: [.get(seat.key)] + keys.map { .get($0) },
            timeout: min(session.lease.timeToLive, session.client.timeout)
        )
        var taken: Set<Key> = []
        if !response.succeeded {
            if !seat.hold.guarding.isMet(response.results.first?.entries.first) {
                seat.hold.tenure.end(CoordinationLoss(.guardFailed))
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
