// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A place at the head of a queue, from victory to loss or release.
///
/// One that is dropped without a release is released by its session.
final class Hold: Sendable {
    let queue: KeyQueue
    let key: Key
    let createRevision: Revision
    /// The number of the slot, if it is one of a semaphore's.
    let slot: Int?
    let tenure: Tenure
    private let candidacy: Candidacy
    /// The holder puts the key again at will, so that its changes say nothing of its role.
    private let rewritesKey: Bool
    /// The session is for this hold only.
    private let ownsSession: Bool
    private let state: Lock<State>

    private struct State {
        var role: KeyQueue.Role
        var handover: Handover?
        /// A scope gives the place up once its body has ended.
        var isScoped = false
        var release: BackgroundJob?
    }

    init(
        _ candidacy: Candidacy,
        at createRevision: Revision,
        in queue: KeyQueue,
        slot: Int? = nil,
        drain: Duration = .zero,
        rewritesKey: Bool = false,
        ownsSession: Bool
    ) {
        self.queue = queue
        self.candidacy = candidacy
        self.createRevision = createRevision
        self.slot = slot
        self.ownsSession = ownsSession
        let (session, key) = (queue.session, candidacy.key)
        self.key = key
        self.rewritesKey = rewritesKey
        state = Lock(State(role: KeyQueue.Role(of: key)))
        tenure = Tenure(within: session.tenure, margin: drain) { [client = session.client, of = session.tenure] loss in
            if rewritesKey || loss.reason == .released || of.loss != nil { return }
            client.report(.holdLost(key, fencingToken: createRevision, reason: loss.reason.description))
        }
        session.lookout.watch(key, createRevision, tenure)
        // Without a margin, the session sees to it.
        if drain > .zero { session.lookout.run(within: tenure) { [tenure] in await tenure.expireInTime() } }
    }

    deinit {
        tenure.end(CoordinationLoss(.released))
        if state.withLock({ $0.release != nil }) { return }
        queue.session.leaveBehind(candidacy)
        if candidacy.hasLooseEnds { queue.session.sweep(key) } else { queue.session.sweepOnce(key) }
    }

    // MARK: The role

    /// The place is shared with others, or may be.
    var isShared: Bool { state.withLock { $0.role == .shared } }

    /// The condition that the place is held, in the role that it has now.
    ///
    /// What is written under an exclusive hold is refused once that is shared, since the key was put again then.
    var isCurrent: Compare {
        isShared || rewritesKey
            ? Compare.Target.createRevision(key) == createRevision : Compare.Target.modRevision(key) == createRevision
    }

    /// What makes a transaction depend on the place.
    var guarding: Guard {
        Guard(key: key, tenure: tenure, condition: isCurrent, reserved: reserved) { [self] entry in
            guard let entry, entry.createRevision == createRevision else { return false }
            if isShared || rewritesKey || entry.modRevision == createRevision { return true }
            // It has become a shared one after the transaction was made.
            return KeyQueue.Role(of: entry) == .shared
        }
    }

    /// Where nothing but holders and waiters may be.
    private var reserved: [KeyRange] {
        if slot == nil { return [queue.range] }
        // The folder of all slots.
        let parts = key.bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropLast(2)
        return [queue.range, .prefix(Key(bytes: Array(parts.joined(separator: [UInt8(ascii: "/")]))) + "/")]
    }

    /// Makes an exclusive place a shared one; see ``KeyQueue/downgrade(_:at:)``.
    func downgrade() async throws {
        if KeyQueue.Role(of: key) == .shared { return }
        // Whatever becomes of the request, others may be let in by it.
        state.withLock { $0.role = .shared }
        let isDone = try await tenure.whileHeld { [queue, candidacy, createRevision] in
            try await queue.downgrade(candidacy, at: createRevision)
        }
        if isDone { return }
        tenure.end(CoordinationLoss(.keyDeleted))
        throw tenure.loss ?? CoordinationLoss(.keyDeleted)
    }

    // MARK: Use

    /// How long the place is certainly held from now on, if the lease is not renewed.
    var remaining: Duration { max(.zero, (tenure.deadline ?? .now) - .now) }

    /// Runs `body`, cancels it when the place is lost, and releases the place once it has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        state.withLock { $0.isScoped = true }
        do {
            let result = try await tenure.whileHeld(body)
            await release()
            return result
        } catch {
            await release()
            throw error
        }
    }

    // MARK: The end

    /// Ends the tenure, and then releases the place, which is for the scope to do if there is one: work goes first.
    func stepDown(_ handover: Handover? = nil, timeout: Duration = Session.patience) async {
        let isScoped = state.withLock { state in
            state.handover = state.handover ?? handover
            return state.isScoped
        }
        tenure.end(CoordinationLoss(.released))
        if !isScoped { await release(timeout: timeout) }
    }

    /// Gives the place up; only the first call does something, the others wait for it.
    ///
    /// It does not wait where the place is lost.
    func release(timeout: Duration = Session.patience) async {
        tenure.end(CoordinationLoss(.released))
        queue.session.leaveBehind(candidacy)
        let job = BackgroundJob()
        let (first, handover) = state.withLock { state in
            if state.release == nil { state.release = job }
            return (state.release ?? job, state.handover)
        }
        let patience = tenure.loss?.reason == .released ? timeout : .zero
        if first === job {
            if handover == nil, !ownsSession, await queue.session.eraseInBatch(candidacy, within: patience) {
                return job.finish()
            }
            queue.client.inBackground(job) { await self.finish() }
        }
        await first.wait(patience)
    }

    private func finish() async {
        let session = queue.session
        if let handover = state.withLock({ $0.handover }) { await queue.run(handover) }
        if !ownsSession {
            // Only here can the key be another's: one that was put by hand where this one was deleted.
            let isDoubtful = tenure.loss?.reason != .released
            let isOwn = Compare.Target.createRevision(key) == createRevision
            return await session.erase(candidacy, if: isDoubtful ? [isOwn] : [])
        }
        // The end of the lease deletes the key, too.
        await session.close(timeout: session.lease.timeToLive)
        session.leaveBehind(candidacy)
    }
}
