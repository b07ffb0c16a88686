// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A barrier that a number of tasks enter together and leave together, in the whole cluster.
///
/// ```swift
/// let barrier = try DoubleBarrier("batch", count: 3, session: session)
/// try await barrier.withBarrier { _ in try await work() }
/// ```
///
/// Nobody enters before as many have come as belong to a round, and nobody leaves before all of the round are done. One
/// that crashes while it waits to enter is not counted; the others wait for another. One that crashes inside, or gives up,
/// breaks the round: those who leave get ``BarrierBroken``, instead of being let through as if it had done its part.
///
/// Whoever comes when a round is complete belongs to the next, which has nothing to do with the one before; so a name can
/// be used again and again. Each participant has a key `<name>/shared-<lease>-<nonce>`, in which its phase stands.
public struct DoubleBarrier: Sendable {
    /// Where the barrier is: all barriers of one name are the same.
    public let name: Key
    /// How many belong to a round.
    public let count: Int
    private let source: SessionSource
    /// Copies of a barrier have the same.
    private let leftovers = Leftovers()

    /// A barrier on a session, which many can share; with the session, the participation of all of them is lost.
    ///
    /// - Parameters:
    ///   - name: Where the barrier is.
    ///   - count: How many belong to a round, from 1 to 128; the same for all.
    ///   - session: The session.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, count: Int, session: Session) throws(EtcdError) {
        try self.init(name, count, .shared(session))
    }

    /// A barrier each participation in which has a session of its own.
    ///
    /// - Parameters:
    ///   - name: Where the barrier is.
    ///   - count: How many belong to a round, from 1 to 128; the same for all.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long the others do not hear of it when a participant's process has died, in whole seconds
    ///     (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: Key,
        count: Int,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15)
    ) throws(EtcdError) {
        try self.init(name, count, .own(client, timeToLive: timeToLive))
    }

    private init(_ name: Key, _ count: Int, _ source: SessionSource) throws(EtcdError) {
        try name.checkName(of: "barrier")
        try source.check()
        // As many conditions and operations as etcd allows in a transaction.
        if !(1...128).contains(count) { throw EtcdError(.invalidArgument, "a double barrier for \(count)") }
        self.name = name
        self.count = count
        self.source = source
    }

    /// Enters, runs `body`, and leaves, each together with the others.
    ///
    /// When the participation is lost, the task of `body` is cancelled. Where `body` throws, the round is broken for the
    /// others.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the others to come; nil for as long as it takes.
    ///   - body: Does this one's part.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``BarrierBroken`` when another of the round is gone; ``CoordinationLoss``;
    ///   ``EtcdError``, with the code `deadlineExceeded` when too few have come in time.
    @discardableResult
    public func withBarrier<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        let grant = try await enter(timeout: timeout)
        do {
            let result = try await grant.hold.tenure.whileHeld { try await body(grant) }
            try await leave(grant)
            return result
        } catch {
            await grant.release()
            throw error
        }
    }

    /// Waits until enough have come.
    ///
    /// Whether this throws, is cancelled or runs out of time: the place is given up. If that happens at the very moment at
    /// which the others enter, the round is broken for them.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The participation, to be ended by ``leave(_:)``. To release it, or to drop it, breaks the round.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``EtcdError``, with the code
    ///   `deadlineExceeded` when too few have come in time, `unavailable` when etcd has not answered in that time, and
    ///   `invalidArgument` if another participant has been told
    ///   another ``count``.
    public func enter(timeout: Duration? = nil) async throws -> LockGrant {
        let attempt = Attempt()
        if let grant = try await withTimeout(timeout, { try await join(attempt) }) { return grant }
        throw attempt.timeIsOver("too few have come to \"\(name)\" within \(timeout ?? .zero)")
    }

    private func join(_ attempt: Attempt) async throws -> LockGrant? {
        try await source.withSession(attempt) { session, isOwn in
            let queue = KeyQueue(session: session, name: name, leftovers: leftovers, attempt: attempt)
            let candidacy = queue.candidacy(.shared, BarrierMember.value(count, .waiting))
            _ = try await session.orLeave([candidacy]) {
                _ = try await queue.join(candidacy)
                try await session.tenure.whileHeld { try await reach(.inside, candidacy.key, in: queue) }
                return true
            }
            guard let revision = candidacy.createRevision else { return nil }
            return LockGrant(hold: Hold(candidacy, at: revision, in: queue, ownsSession: isOwn))
        }
    }

    /// Says that this one is done, and waits until all of the round are.
    ///
    /// However this ends, the participation is over; where it fails or is cancelled, the round is broken for the others.
    ///
    /// - Parameter grant: What ``enter(timeout:)`` has returned.
    /// - Throws: ``BarrierBroken`` when another of the round is gone before all were done; ``CoordinationLoss`` when this
    ///   participation was lost; ``EtcdError``, with the code `invalidArgument` for a grant of something else.
    public func leave(_ grant: LockGrant) async throws {
        let hold = grant.hold
        guard hold.queue.name == name else {
            throw EtcdError(.invalidArgument, "\(grant.key) is not a participation in \"\(name)\"")
        }
        do {
            try await hold.tenure.whileHeld {
                try await say(.leaving, hold)
                try await reach(.left, hold.key, in: hold.queue)
            }
        } catch {
            await hold.release()
            throw error
        }
        await hold.release()
    }

    /// Puts the own key into another phase.
    private func say(_ phase: BarrierMember.Phase, _ hold: Hold) async throws {
        let session = hold.queue.session
        guard let entry = try await session.read([.get(hold.key)]).results.first?.entries.first else {
            throw CoordinationLoss(.keyDeleted)
        }
        let value = BarrierMember.value(count, phase, try BarrierMember(entry).round)
        // Not if all have left already, as when this is repeated.
        _ = try await session.settle(
            if: [Compare.Target.modRevision(hold.key) == entry.modRevision],
            then: [.put(hold.key, value, lease: session.lease.id)]
        )
    }

    /// Looks at all participants, and does what there is to do, until the one of `key` is in the phase `goal`.
    private func reach(_ goal: BarrierMember.Phase, _ key: Key, in queue: KeyQueue) async throws {
        var options = MirrorOptions()
        // An outage now is an outage like any other, so the first list is waited for below.
        options.initialWait = .zero
        try await queue.client.withMirror(of: queue.range, options: options) { mirror in
            for try await snapshot in mirror.views where snapshot.revision > 0 {
                switch BarrierStep(for: key, among: try members(in: snapshot), until: goal) {
                case nil: throw CoordinationLoss(.keyDeleted)
                case .arrived: return
                case .wait: continue
                case .broken:
                    throw BarrierBroken(name: name, description: "one of the \(count) in \"\(name)\" is gone too early")
                case .advance(let members, let phase, let round):
                    _ = try await queue.session.settle(
                        if: members.map { Compare.Target.modRevision($0.key) == $0.modRevision },
                        then: members.map { .put($0.key, BarrierMember.value(count, phase, round), lease: $0.lease) }
                    )
                }
            }
        }
    }

    private func members(in snapshot: MirrorView) throws(EtcdError) -> [BarrierMember] {
        var members: [BarrierMember] = []
        for entry in snapshot {
            let member = try BarrierMember(entry)
            if member.count != count {
                throw EtcdError(.invalidArgument, "\(entry.key) is for a barrier of \(member.count), not \(count)")
            }
            members.append(member)
        }
        return members
    }
}
