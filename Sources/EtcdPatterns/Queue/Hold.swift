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
    private let role: Lock<KeyQueue.Role>
    /// The holder puts the key again at will, so that its changes say nothing of its role.
    private let rewritesKey: Bool
    /// The session is for this hold only.
    private let ownsSession: Bool
    private let watching: Task<Void, Never>
    private let handover = Lock<Handover?>(nil)
    /// A scope gives the place up once its body has ended.
    private let isScoped = Lock(false)
    private let releasing = Lock<BackgroundJob?>(nil)

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
        key = candidacy.key
        self.rewritesKey = rewritesKey
        role = Lock(KeyQueue.Role(of: key))
        let tenure = Tenure(within: queue.session.tenure, margin: drain)
        self.tenure = tenure
        let (client, session, key) = (queue.client, queue.session.tenure, candidacy.key)
        tenure.observe { loss in
            if rewritesKey || loss.reason == .released || session.loss != nil { return }
            client.report(.holdLost(key, fencingToken: createRevision, reason: loss.reason.description))
        }
        watching = Task { [session = queue.session, key] in
            await withTaskGroup(of: Void.self) { group in
                // Without a margin, the session sees to it.
                if drain > .zero { group.addTask { await tenure.expireInTime() } }
                await Self.watch(key, createRevision, session, tenure)
            }
        }
    }

    deinit {
        tenure.end(CoordinationLoss(.released))
        watching.cancel()
        if releasing.withLock({ $0 != nil }) { return }
        queue.session.leaveBehind(candidacy)
        if candidacy.hasLooseEnds { queue.session.sweep(key) } else { queue.session.sweepOnce(key) }
    }

    /// Ends the tenure when the key is deleted.
    private static func watch(_ key: Key, _ createRevision: Revision, _ session: Session, _ tenure: Tenure) async {
        var revision = createRevision
        while tenure.loss == nil, !Task.isCancelled {
            do throws(EtcdError) {
                let client = session.client
                let isDeleted = try await client.awaitChange(in: .key(key), after: revision) { $0.kind == .delete }
                if isDeleted { return tenure.end(CoordinationLoss(.keyDeleted)) }
                let response = try await session.read([.get(key)])
                if response.results.first?.entries.first?.createRevision != createRevision {
                    return tenure.end(CoordinationLoss(.keyDeleted))
                }
                revision = response.header.revision
            } catch {
                // The deadline is still looked after; who may not read the key hears of the rest from the server.
                return
            }
        }
    }

    // MARK: The role

    /// The place is shared with others, or may be.
    var isShared: Bool { role.withLock { $0 == .shared } }

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
        role.withLock { $0 = .shared }
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
        isScoped.withLock { $0 = true }
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
        self.handover.withLock { $0 = $0 ?? handover }
        tenure.end(CoordinationLoss(.released))
        if !isScoped.withLock({ $0 }) { await release(timeout: timeout) }
    }

    /// Gives the place up; only the first call does something, the others wait for it.
    ///
    /// It does not wait where the place is lost.
    func release(timeout: Duration = Session.patience) async {
        tenure.end(CoordinationLoss(.released))
        queue.session.leaveBehind(candidacy)
        let job = releasing.withLock { job in
            if let job { return job }
            let new = queue.client.inBackground { await self.finish() }
            job = new
            return new
        }
        await job.wait(tenure.loss?.reason == .released ? timeout : .zero)
    }

    private func finish() async {
        watching.cancel()
        await watching.value
        if let handover = handover.withLock({ $0 }) { await queue.run(handover) }
        if !ownsSession { return await queue.leave(candidacy) }
        // The end of the lease deletes the key, too.
        await queue.session.close(timeout: queue.session.lease.timeToLive)
        queue.session.leaveBehind(candidacy)
    }
}
