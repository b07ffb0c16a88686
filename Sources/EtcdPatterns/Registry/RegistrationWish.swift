// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// What is to be in the store for a registration, and the caller that waits for it.
final class RegistrationWish: Sendable {
    /// The outcome of a change: nil once it is in the store.
    fileprivate typealias Outcome = (any Error)?

    private struct State {
        var instance: ServiceInstance
        var author = ServiceRecord.Author()
        /// Counts the changes of what is wanted.
        var version = 0
        /// What the registration's own checks say.
        var isHealthy = true
        /// What was put last of what was wanted; nil before the first put.
        var accepted: ServiceInstance?
        /// A caller is changing the instance.
        var isTurnTaken = false
        /// The change that is waited for.
        var waiter: (version: Int, outcome: AsyncStream<Outcome>.Continuation)?
        var ending: CoordinationLoss?

        var record: ServiceRecord {
            var instance = instance
            if !isHealthy && instance.status == .up { instance.status = .down }
            return ServiceRecord(instance, by: author)
        }

        mutating func takeWaiter(of version: Int) -> AsyncStream<Outcome>.Continuation? {
            guard let waiter, waiter.version <= version else { return nil }
            self.waiter = nil
            return waiter.outcome
        }
    }

    /// A change that was made, whose outcome is open.
    struct PendingChange {
        /// It was made of something that is not in the store, and may itself be refused.
        let isOnOpenGround: Bool
        fileprivate let outcomes: AsyncStream<Outcome>

        /// Waits until the change is in the store.
        ///
        /// - Throws: Why it cannot be, or `cancelled`.
        func wait() async throws {
            for await outcome in outcomes {
                if let outcome { throw outcome }
                return
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }

    /// What is put, and what it stands for.
    struct Claim {
        let record: ServiceRecord
        let version: Int
        fileprivate let instance: ServiceInstance
    }

    private let state: Lock<State>
    private let changes = LatestValue<Void>()
    /// Wakes all who wait for their turn.
    private let turns = LatestValue<Void>()

    init(_ instance: ServiceInstance) {
        state = Lock(State(instance: instance))
        turns.send(())
    }

    var instance: ServiceInstance { state.withLock { $0.instance } }
    var version: Int { state.withLock { $0.version } }
    var hasRegistered: Bool { state.withLock { $0.accepted != nil } }
    var nonce: String { state.withLock { $0.author.nonce } }
    /// Why nothing is put any more; nil before the registration has ended.
    var ending: CoordinationLoss? { state.withLock { $0.ending } }

    /// The entry that stays in the store when the instance leaves.
    var farewell: ServiceRecord {
        var record = state.withLock { $0.record }
        record.instance.status = .draining
        return record
    }

    // MARK: The side that wants

    /// Waits until no other caller is changing the instance: two changes at once could not be told apart when etcd refuses
    /// them.
    func takeTurn() async throws(EtcdError) {
        for await _ in turns.listen() {
            let isMine = state.withLock { state in
                defer { state.isTurnTaken = true }
                return !state.isTurnTaken
            }
            if isMine { return }
        }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    func endTurn() {
        state.withLock { state in
            state.isTurnTaken = false
            state.waiter = nil
        }
        turns.send(())
    }

    /// Changes what is wanted, if that is still `old`; the caller has the turn.
    ///
    /// - Returns: Nil if it is something else by now.
    func change(_ old: ServiceInstance, to new: ServiceInstance) -> PendingChange? {
        let (outcomes, outcome) = AsyncStream.makeStream(of: Outcome.self)
        let pending = state.withLock { state -> PendingChange? in
            if state.instance != old { return nil }
            let isOnOpenGround = state.accepted.map { $0 != old } ?? false
            state.instance = new
            state.version += 1
            state.waiter = (state.version, outcome)
            if let ending = state.ending { outcome.yield(ending) }
            return PendingChange(isOnOpenGround: isOnOpenGround, outcomes: outcomes)
        }
        if pending != nil { changes.send(()) }
        return pending
    }

    /// Notes what the registration's own checks say.
    func set(isHealthy: Bool) {
        state.withLock { state in
            state.isHealthy = isHealthy
            state.version += 1
        }
        changes.send(())
    }

    // MARK: The side that fulfils

    /// What to put in place of what was found; nil if that is from a registration that came later.
    func claim(_ found: ServiceRecord?) -> Claim? {
        state.withLock { state in
            if let other = found?.author, other.nonce != state.author.nonce {
                if state.accepted == nil {
                    state.author.supersede(other)
                } else if state.author < other {
                    return nil
                }
            }
            return Claim(record: state.record, version: state.version, instance: state.instance)
        }
    }

    /// A claim is in the store.
    func fulfil(_ claim: Claim) {
        let waiter = state.withLock { state in
            state.accepted = claim.instance
            return state.takeWaiter(of: claim.version)
        }
        waiter?.yield(nil)
    }

    /// A claim cannot be put: unless something newer is wanted, the instance that was put before is wanted again.
    func refuse(_ claim: Claim, _ error: EtcdError) {
        let (waiter, isUndone) = state.withLock { state in
            var isUndone = false
            if state.instance == claim.instance, let accepted = state.accepted, accepted != claim.instance {
                state.instance = accepted
                state.version += 1
                isUndone = true
            }
            return (state.takeWaiter(of: claim.version), isUndone)
        }
        waiter?.yield(error)
        if isUndone { changes.send(()) }
    }

    /// Waits until something else is wanted than `version`, or for so long.
    func waitForChange(of version: Int, atMost limit: Duration? = nil) async throws {
        _ = try await withTimeout(limit) {
            for await _ in self.changes.listen() where self.version != version { return true }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
        try checkCancellation()
    }

    /// The registration has ended, and nothing is put any more.
    func end(_ loss: CoordinationLoss) {
        let waiter = state.withLock { state in
            state.ending = loss
            return state.takeWaiter(of: .max)
        }
        waiter?.yield(loss)
    }
}
