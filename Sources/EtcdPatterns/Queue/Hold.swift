// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A place at the head of a queue, from its turn to its loss or release.
///
/// If it is dropped without a release, its key is deleted in the background, or ends with a session of its own.
final class Hold: Fence {
    let queue: FairQueue
    let key: Key
    let createRevision: Revision
    /// Ranges beside the queue in which only holders and waiters may be.
    private let otherReserved: [KeyRange]
    let lifetime: Lifetime
    private let queueKey: QueueKey
    /// The holder may put the key again, so that a change of the key says nothing about its role.
    private let rewritesKey: Bool
    /// The session is for this hold only.
    private let ownsSession: Bool
    private let state: Lock<State>

    private struct State {
        var role: FairQueue.Role
        var handover: Handover?
        /// A scope releases the place once its body has ended.
        var isScoped = false
        var release: BackgroundJob?
    }

    /// The hold of a key that has its turn; nil if it has no revision, so that it is not in the queue.
    init?(
        _ queueKey: QueueKey,
        in queue: FairQueue,
        reserved: [KeyRange] = [],
        drain: Duration = .zero,
        rewritesKey: Bool = false,
        ownsSession: Bool
    ) {
        guard let createRevision = queueKey.createRevision else { return nil }
        self.queue = queue
        self.queueKey = queueKey
        self.createRevision = createRevision
        otherReserved = reserved
        self.ownsSession = ownsSession
        let (session, key) = (queue.session, queueKey.key)
        self.key = key
        self.rewritesKey = rewritesKey
        state = Lock(State(role: FairQueue.Role(of: key)))
        lifetime = Lifetime(within: [session.lifetime], margin: drain) {
            [client = session.client, of = session.lifetime] loss in
            if rewritesKey || loss.reason == .released || of.loss != nil { return }
            client.report(.holdLost(key, fencingToken: createRevision, reason: loss.reason.description))
        }
        session.holdWatcher.watch(key, createRevision, lifetime)
        // Without a margin, the session ends the lifetime in time.
        if drain > .zero { session.holdWatcher.run(within: lifetime) { [lifetime] in await lifetime.expireInTime() } }
    }

    deinit {
        lifetime.end(CoordinationLoss(.released))
        if state.withLock({ $0.release != nil }) || ownsSession && session.isAlive { return }
        queueKey.startLeaving()
    }

    var session: Session { queue.session }
    var reserved: [KeyRange] { [queue.range] + otherReserved }

    // MARK: The role

    /// The place is shared with others, or may be.
    var isShared: Bool { state.withLock { $0.role == .shared } }

    /// The condition that the place is held, in the role that it has now.
    ///
    /// A write under an exclusive hold is refused once that is shared, since the key was put again then.
    var isCurrent: Compare {
        isShared || rewritesKey
            ? Compare.Target.createRevision(key) == createRevision : Compare.Target.modRevision(key) == createRevision
    }

    func isMet(by entry: KeyValue?) -> Bool {
        guard let entry, entry.createRevision == createRevision else { return false }
        if isShared || rewritesKey || entry.modRevision == createRevision { return true }
        // It was downgraded after the transaction was made.
        return FairQueue.Role(of: entry) == .shared
    }

    /// Makes an exclusive place a shared one; see ``FairQueue/downgrade(_:at:)``.
    func downgrade() async throws {
        if FairQueue.Role(of: key) == .shared { return }
        // From here on, the request may let others in, whatever its answer.
        state.withLock { $0.role = .shared }
        let isDone = try await lifetime.whileHeld { [queue, queueKey, createRevision] in
            try await queue.downgrade(queueKey, at: createRevision)
        }
        if isDone { return }
        lifetime.end(CoordinationLoss(.keyDeleted))
        throw lifetime.loss ?? CoordinationLoss(.keyDeleted)
    }

    // MARK: Use

    /// Runs `body`, cancels it when the place is lost, and releases the place once it has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        state.withLock { $0.isScoped = true }
        return try await releasing({ await release() }) { try await lifetime.whileHeld(body) }
    }

    // MARK: The end

    /// Ends the lifetime, and then releases the place; if there is a scope, that releases it once its body has ended.
    func stepDown(_ handover: Handover? = nil, timeout: Duration = Session.patience) async {
        let isScoped = state.withLock { state in
            state.handover = state.handover ?? handover
            return state.isScoped
        }
        lifetime.end(CoordinationLoss(.released))
        if !isScoped { await release(timeout: timeout) }
    }

    /// Releases the place; the first call does it, and the others wait for it.
    ///
    /// If the place is lost, this does not wait.
    func release(timeout: Duration = Session.patience) async {
        lifetime.end(CoordinationLoss(.released))
        queueKey.leaveBehind()
        let job = BackgroundJob()
        let (first, handover) = state.withLock { state in
            if state.release == nil { state.release = job }
            return (state.release ?? job, state.handover)
        }
        let patience = lifetime.loss?.reason == .released ? timeout : .zero
        let end = ContinuousClock.Instant.after(patience)
        if first === job {
            if handover == nil, !ownsSession, await queueKey.eraseInBatch(within: patience) {
                return job.finish()
            }
            queue.client.inBackground(job) { await self.finish() }
        }
        await first.wait(end - .now)
    }

    private func finish() async {
        if let handover = state.withLock({ $0.handover }) {
            // If it fails, nothing has happened, or only what the release does anyway.
            let timeout = min(session.lease.timeToLive, session.client.timeout)
            _ = try? await session.transaction(if: handover.conditions, then: handover.operations, timeout: timeout)
        }
        if !ownsSession {
            // Another client may have deleted the key and put it again.
            let isDoubtful = lifetime.loss?.reason != .released
            let isOwn = Compare.Target.createRevision(key) == createRevision
            return await queueKey.erase(if: isDoubtful ? [isOwn] : [])
        }
        // The end of the lease deletes the key, too.
        await session.close(timeout: session.lease.timeToLive)
        queueKey.leaveBehind()
    }
}

/// The end of a hold after which a chosen waiter has its turn instead of the next one: one transaction deletes the keys
/// before it, with that of the holder.
///
/// The key with the lowest create revision still has its turn, and new keys have higher ones. So create revisions rise
/// from holder to holder, also across handovers. The waiters that were passed over find their keys gone, and join again
/// at the end.
struct Handover: Sendable {
    /// An etcd transaction has at most 128 operations, unless its server is configured otherwise.
    static let maximumDeletions = 100

    let conditions: [Compare]
    let operations: [TransactionOperation]

    init(from key: Key, at revision: Revision, to chosen: KeyValue, past between: [Key]) {
        conditions = [
            Compare.Target.createRevision(key) == revision,
            Compare.Target.createRevision(chosen.key) == chosen.createRevision,
        ]
        operations = ([key] + between).map { .delete($0) }
    }
}

/// A grant that is represented by a place in a queue.
protocol HoldGrant: FencedGrant {
    var hold: Hold { get }
}

extension HoldGrant {
    /// Runs `body`, cancels it when the grant is lost, and releases the grant once `body` has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable (Self) async throws -> Result) async throws -> Result {
        try await hold.whileHeld { try await body(self) }
    }
}
