// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lock that was acquired: plain data, which may go anywhere.
///
/// Whether it is still held, ``isHeld`` tells at each call. That is as good as the clock, but not proof: a process may be
/// stopped between the question and its consequence. What must not happen without the lock is made to depend on it:
/// writes to etcd by ``guarded(if:then:else:)``, others by a resource that refuses a ``fencingToken`` lower than one it
/// has seen.
public struct LockGrant: Sendable {
    let hold: Hold

    /// The key that stands for the hold, as long as it exists with ``fencingToken`` as its create revision.
    public var key: Key { hold.key }

    /// The revision in which the key came into being: higher than those of all who have held the lock before.
    public var fencingToken: Revision { hold.createRevision }

    /// The lock is held: compares the clock at each call.
    ///
    /// For want of renewals, it turns false before the server can let go of the lock. When somebody else has deleted the
    /// key, it does so soon, at the earliest 250 ms after the acquisition.
    public var isHeld: Bool { hold.tenure.loss == nil }

    /// How long the lock is certainly held from now on, if its lease is not renewed; zero once it is lost.
    public var remaining: Duration { hold.remaining }

    /// Waits until the lock is lost or released, and tells why.
    ///
    /// - Throws: ``EtcdError`` with the code `cancelled`.
    public var lost: CoordinationLoss {
        get async throws(EtcdError) { try await hold.tenure.lost() }
    }

    /// The lock is held for reading, or a writer has begun to downgrade it; see ``ReadWriteLock``.
    public var isShared: Bool { hold.isShared }

    /// The condition that the lock is held, for a transaction: the server sees to it.
    ///
    /// One that was taken while the lock was held for writing does not hold once that is downgraded.
    public var isCurrent: Compare { hold.isCurrent }

    /// Throws the reason if the lock is not held any more.
    ///
    /// - Throws: ``CoordinationLoss``.
    public func check() throws(CoordinationLoss) {
        if let loss = hold.tenure.loss { throw loss }
    }

    /// Runs a transaction that has no effect unless the lock is held: whatever the clocks and the network do.
    ///
    /// - Parameters:
    ///   - conditions: What else must hold for `then` to run.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not, while the lock is held.
    /// - Returns: Which branch has run, and its results.
    /// - Throws: ``CoordinationLoss`` when the lock is not held, after which nothing was done; ``EtcdError``, as a
    ///   transaction does, with the code `ambiguous` when the outcome is unknown, and `invalidArgument` for one that
    ///   changes the lock's own keys, under its name and a slash, after which nothing was done.
    @discardableResult
    public func guarded(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws -> TransactionResponse {
        try await hold.queue.session.guarded(by: [hold.guarding], if: conditions, then: then, else: `else`)
    }

    /// Gives the lock up, for the next who waits.
    ///
    /// Releasing twice does nothing, and what is lost already is not waited for. It goes on also when the caller's task is
    /// cancelled. The rest goes on in the background when this returns, bounded by the lease's time to live; where
    /// the key cannot be deleted by then, the lease is given up, which may take the session with it.
    ///
    /// - Parameter timeout: How long to wait until the next one can have the lock.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }

    /// Runs `body`, cancels it when the lock is lost, and releases the lock.
    func whileHeld<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await hold.whileHeld { try await body(self) }
    }
}
