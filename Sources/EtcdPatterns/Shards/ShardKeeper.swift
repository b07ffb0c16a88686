// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Brings what a member owns in line with what it should, from joining to the loss of its place.
///
/// It looks at the store's state, not at the outcome of its calls: a shard is owned when the mirror shows its key with this
/// session's lease. So it does not matter which answer was lost. It looks again whenever something has happened.
final class ShardKeeper: Sendable {
    /// How many shards one transaction claims: the server allows 128 operations, those within operations included.
    private static let batchSize = 64

    private struct State {
        var tasks: [Key: ShardTask] = [:]
        /// A claim is under way.
        var isClaiming = false
        /// The mirror knows of the outcome of the last claim of a shard at this revision.
        var settled: [Key: Revision] = [:]
        /// Shards that were claimed, perhaps with an answer that was lost, and may turn out to be owned.
        var unsettled: Set<Key> = []
        /// The last ownership of a shard that was given up.
        var released: [Key: Revision] = [:]
        /// How often the body of a shard has ended by itself.
        var failures: [Key: Int] = [:]
        /// When members were missed first.
        var missing: [Key: ContinuousClock.Instant] = [:]
        var present: Set<Key> = []
        var revision: Revision = 0
    }

    private let coordinator: ShardCoordinator
    private let seat: LockGrant
    private let mirror: KeyMirror
    private let service: Tenure
    private let body: @Sendable (Shard) async throws -> Void
    private let state = Lock(State())
    private let (wakes, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let targets = Lock<(members: [Key], shards: Set<Key>)>(([], []))

    init(
        _ coordinator: ShardCoordinator,
        _ seat: LockGrant,
        _ mirror: KeyMirror,
        _ service: Tenure,
        _ body: @escaping @Sendable (Shard) async throws -> Void
    ) {
        self.coordinator = coordinator
        self.seat = seat
        self.mirror = mirror
        self.service = service
        self.body = body
    }

    var owned: [Shard] {
        state.withLock { $0.tasks.values.map(\.shard) }.filter(\.isOwned).sorted { $0.id < $1.id }
    }

    private var isServing: Bool { seat.isHeld && service.loss == nil }

    /// Keeps shards until the place among the members is lost, or the service ends, gives it up, and waits for all bodies.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                do {
                    for try await _ in mirror.snapshots { waker.yield() }
                } catch {
                    // The mirror's scope cancels this task.
                    waker.yield()
                }
            }
            for tenure in [seat.hold.tenure, service] {
                group.addTask { [waker] in
                    _ = try? await tenure.lost()
                    waker.yield()
                }
            }
            for await _ in wakes {
                reconcile(&group)
                let isBusy = state.withLock { $0.tasks.values.contains { $0.stage == .running } }
                if !isServing && !isBusy { break }
            }
            // Others need not wait for bodies that do not end when they are told to.
            await seat.release()
            group.cancelAll()
        }
        leaveBehind()
    }

    /// Hands the shards that may be owned on a session that was lost to the next attempt.
    private func leaveBehind() {
        let queue = seat.hold.queue
        for id in state.withLock({ $0.unsettled }) {
            let claim = Candidacy(coordinator.ownerPrefix + id, "", queue.leftovers)
            claim.tried()
            queue.session.leaveBehind(claim)
        }
    }

    // MARK: One look

    private func reconcile(_ group: inout DiscardingTaskGroup) {
        let snapshot = mirror.snapshot
        if snapshot.revision >= seat.fencingToken, snapshot[seat.key]?.createRevision != seat.fencingToken {
            seat.hold.tenure.end(CoordinationLoss(.keyDeleted))
        }
        let isServing = isServing
        let shards = isServing ? targets(in: snapshot, &group) : []
        var claims: [Key] = []
        var begun: [ShardTask] = []
        var changes: [() -> Void] = []
        state.withLock { state in
            if snapshot.revision < state.revision {
                // The store was restored: what was known of its revisions is void.
                (state.settled, state.released) = ([:], [:])
            }
            state.revision = snapshot.revision
            state.tasks = state.tasks.filter { $0.value.stage != .over }
            for (id, task) in state.tasks {
                if snapshot[task.shard.key]?.createRevision != task.shard.fencingToken { changes.append(task.lose) }
                if !shards.contains(id) { changes.append(task.handOff) }
            }
            guard isServing else { return }
            for id in shards.union(state.unsettled) {
                guard let entry = snapshot[coordinator.ownerPrefix + id],
                    entry.lease == seat.hold.queue.session.lease.id,
                    state.tasks[id] == nil, state.released[id] != entry.createRevision
                else { continue }
                let task = task(for: id, entry)
                state.tasks[id] = task
                begun.append(task)
                if !shards.contains(id) { changes.append(task.handOff) }
            }
            guard !state.isClaiming else { return }
            claims = shards.filter { id in
                state.tasks[id] == nil && snapshot[coordinator.ownerPrefix + id] == nil
                    && state.settled[id] ?? 0 <= snapshot.revision
            }
            state.isClaiming = !claims.isEmpty
            state.unsettled.formUnion(claims)
        }
        // Outside of the lock, since it tells others.
        for change in changes { change() }
        for task in begun { group.addTask { [self] in await run(task) } }
        if !claims.isEmpty {
            group.addTask { [self, claims] in await claim(claims.sorted(), asOf: snapshot.revision) }
        }
    }

    private func task(for id: Key, _ entry: KeyValue) -> ShardTask {
        let shard = Shard(
            id: id,
            key: entry.key,
            fencingToken: entry.createRevision,
            tenure: Tenure(within: seat.hold.tenure),
            session: seat.hold.queue.session
        )
        return ShardTask(shard, seat.hold)
    }

    /// The shards that this member should own.
    private func targets(in snapshot: MirrorSnapshot, _ group: inout DiscardingTaskGroup) -> Set<Key> {
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
                group.addTask { [waker] in
                    try? await Task.sleep(for: grace)
                    waker.yield()
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

    // MARK: Work

    private func run(_ task: ShardTask) async {
        coordinator.report(.owned(task.shard))
        let start = ContinuousClock.now
        let event = await task.run(drainTime: coordinator.drainTime, wakingReport, body)
        let id = task.shard.id
        coordinator.report(event)
        let backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(30), multiplier: 2)
        let failures = state.withLock { state in
            state.released[id] = task.shard.fencingToken
            guard case .ended = event else {
                state.failures[id] = nil
                return 0
            }
            let isLong = .now - start > backoff.maximum
            let failures = isLong ? 1 : min(state.failures[id] ?? 0, 1000) + 1
            state.failures[id] = failures
            return failures
        }
        waker.yield()
        // It is cancelled with the group, once nothing runs any more.
        try? await Task.sleep(for: backoff.delay(afterFailures: failures))
        task.finish()
        waker.yield()
    }

    /// Tells of an event after which there is something to look at.
    private var wakingReport: @Sendable (ShardCoordinator.Event) -> Void {
        { [coordinator, waker] event in
            coordinator.report(event)
            waker.yield()
        }
    }

    /// Puts the keys of shards that nobody owns, as long as the member has its place.
    private func claim(_ shards: [Key], asOf revision: Revision) async {
        let backoff = Backoff()
        var rest = shards[...]
        while !rest.isEmpty, isServing {
            let batch = rest.prefix(Self.batchSize)
            rest = rest.dropFirst(Self.batchSize)
            let lease = seat.hold.queue.session.lease.id
            let claims = batch.map { id in
                let key = coordinator.ownerPrefix + id
                let put = TransactionOperation.put(key, Value(bytes: coordinator.memberID.bytes), lease: lease)
                return TransactionOperation.transaction(if: [.isMissing(key)], then: [put])
            }
            do throws(EtcdError) {
                let session = seat.hold.queue.session
                let timeout = min(session.lease.timeToLive, session.client.timeout)
                let response = try await session.transaction(if: [seat.isCurrent], then: claims, timeout: timeout)
                guard response.succeeded else {
                    seat.hold.tenure.end(CoordinationLoss(.guardFailed))
                    break
                }
                state.withLock { state in
                    for (id, result) in zip(batch, response.results) {
                        guard case .transaction(let claim) = result else { continue }
                        // Where the key was there already, the mirror was behind.
                        state.settled[id] = claim.succeeded ? response.header.revision : revision.next
                    }
                }
            } catch {
                if error.code == .leaseNotFound {
                    seat.hold.tenure.end(CoordinationLoss(.leaseEnded, cause: error))
                } else {
                    coordinator.report(.failed(error))
                    try? await Task.sleep(for: backoff.delay(afterFailures: 6))
                }
            }
        }
        state.withLock { $0.isClaiming = false }
        waker.yield()
    }
}
