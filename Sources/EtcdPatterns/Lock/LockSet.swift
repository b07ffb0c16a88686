// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Several locks that were acquired together, by a ``LockManager``.
///
/// They are held together, too: when one is lost, ``isHeld`` is false.
public struct LockSet: Sendable {
    /// The locks under their names, each with a token of its own.
    public let grants: [Key: LockGrant]
    private let tenure: Tenure

    init(_ grants: [Key: LockGrant]) {
        self.grants = grants
        tenure = Tenure(within: grants.values.map(\.hold.tenure))
    }

    /// All locks are held: compares the clock at each call.
    public var isHeld: Bool { tenure.loss == nil }

    /// Waits until the first lock is lost or released, and tells why.
    ///
    /// - Throws: ``EtcdError`` with the code `cancelled`.
    public var lost: CoordinationLoss {
        get async throws(EtcdError) { try await tenure.lost() }
    }

    /// Throws the reason if one of the locks is not held any more.
    ///
    /// - Throws: ``CoordinationLoss``.
    public func check() throws(CoordinationLoss) {
        if let loss = tenure.loss { throw loss }
    }

    /// Runs a transaction that has no effect unless all locks are held, as ``LockGrant/guarded(if:then:else:)`` does for
    /// one.
    ///
    /// - Parameters:
    ///   - conditions: What else must hold for `then` to run.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not, while the locks are held.
    /// - Returns: Which branch has run, and its results.
    /// - Throws: ``CoordinationLoss`` when a lock is not held, after which nothing was done; ``EtcdError``, as a
    ///   transaction does, with the code `ambiguous` when the outcome is unknown, and `invalidArgument` for one that
    ///   changes a lock's own keys, after which nothing was done.
    @discardableResult
    public func guarded(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws -> TransactionResponse {
        let holds = grants.values.map(\.hold)
        guard let session = holds.first?.queue.session else {
            throw EtcdError(.invalidArgument, "there is no lock to guard the transaction")
        }
        return try await session.guarded(by: holds.map(\.guarding), if: conditions, then: then, else: `else`)
    }

    /// Gives all locks up, as ``LockGrant/release(timeout:)`` does for one.
    ///
    /// - Parameter timeout: How long to wait until others can have the locks.
    public func release(timeout: Duration = .seconds(5)) async {
        await withTaskGroup(of: Void.self) { group in
            for grant in grants.values { group.addTask { await grant.release(timeout: timeout) } }
        }
    }

    /// Runs `body`, cancels it when a lock is lost, and releases all.
    func whileHeld<Result: Sendable>(
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result {
        do {
            let result = try await tenure.whileHeld { try await body(self) }
            await release()
            return result
        } catch {
            await release()
            throw error
        }
    }
}
