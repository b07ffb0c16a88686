// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A leadership, from victory to loss or resignation: plain data, which may go anywhere.
///
/// Whether it lasts, ``isLeader`` tells at each call. That is as good as the clock, but not proof: a process may be
/// stopped between the question and its consequence. What nobody but the leader may do is made to depend on it: writes to
/// etcd by ``guarded(if:then:else:)``, requests to others by a ``FenceGate`` there, which refuses a ``fencingToken`` lower
/// than one it has seen.
public struct LeaderTerm: Sendable {
    let hold: Hold

    /// The key that stands for the leadership, as long as it exists with ``fencingToken`` as its create revision.
    public var key: Key { hold.key }

    /// The number of the term: the revision in which its key came into being, higher than in all terms before.
    public var fencingToken: Revision { hold.createRevision }

    /// The leadership lasts: compares the clock at each call.
    ///
    /// For want of renewals, it turns false before another can lead.
    public var isLeader: Bool { hold.tenure.loss == nil }

    /// How long the leadership certainly lasts from now on, if its lease is not renewed; zero once it is lost.
    public var remaining: Duration { hold.remaining }

    /// Waits until the leadership is lost or given up, and tells why.
    ///
    /// - Throws: ``EtcdError`` with the code `cancelled`.
    public var lost: CoordinationLoss {
        get async throws(EtcdError) { try await hold.tenure.lost() }
    }

    /// The condition that the leadership lasts, for a transaction: the server sees to it.
    public var isCurrent: Compare { hold.isCurrent }

    /// Throws the reason if the leadership does not last any more.
    ///
    /// - Throws: ``CoordinationLoss``.
    public func check() throws(CoordinationLoss) {
        if let loss = hold.tenure.loss { throw loss }
    }

    /// Runs a transaction that has no effect unless the leadership lasts: whatever the clocks and the network do.
    ///
    /// - Parameters:
    ///   - conditions: What else must hold for `then` to run.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not, while the leadership lasts.
    /// - Returns: Which branch has run, and its results.
    /// - Throws: ``CoordinationLoss`` when the leadership has ended, after which nothing was done; ``EtcdError``, as a
    ///   transaction does, with the code `ambiguous` when the outcome is unknown, and `invalidArgument` for one that
    ///   changes the election's own keys, after which nothing was done.
    @discardableResult
    public func guarded(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws -> TransactionResponse {
        try await hold.queue.session.guarded(by: [hold.guarding], if: conditions, then: then, else: `else`)
    }

    /// Says something else of the leader, in place of ``LeaderElection/candidate``, to those who look and observe.
    ///
    /// - Parameter value: What to say, such as an endpoint.
    /// - Throws: ``CoordinationLoss`` when the leadership has ended; ``EtcdError``, with the code `ambiguous` when the
    ///   outcome is unknown.
    public func proclaim(_ value: Value) async throws {
        var guarding = hold.guarding
        guarding.reserved = []
        let put = TransactionOperation.put(key, value, keepingLease: true)
        _ = try await hold.queue.session.guarded(by: [guarding], if: [], then: [put], else: [])
    }

    // MARK: The end

    /// Gives the leadership up, for the next candidate.
    ///
    /// In the body of ``LeaderElection/lead(timeout:_:)`` or ``LeaderElection/run(_:)``, that cancels the body, and the
    /// next one leads once the body has ended. Elsewhere, the work of the leader must have ended before; the next one leads
    /// when this returns.
    ///
    /// Resigning twice does nothing, and what is lost already is not waited for. It goes on also when the caller's task is
    /// cancelled. The rest goes on in the background when this returns, bounded by the lease's time to live; where
    /// the key cannot be deleted by then, the lease is given up, which may take the session with it.
    ///
    /// - Parameter timeout: How long to wait until the next one can lead; in the body of a scope, which does that, it does
    ///   not matter.
    public func resign(timeout: Duration = .seconds(5)) async {
        await hold.stepDown(timeout: timeout)
    }

    /// Runs `body`, cancels it when the leadership is lost, and resigns once it has ended.
    func whileLeading<Result: Sendable>(
        _ body: @escaping @Sendable (LeaderTerm) async throws -> Result
    ) async throws -> Result {
        try await hold.whileHeld { try await body(self) }
    }
}
