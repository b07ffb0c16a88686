// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Several locks that a ``LockManager`` has acquired together; when one is lost, the set is.
public struct LockSet: Grant {
    /// The locks by their names, each with a token of its own.
    public let grants: [String: LockGrant]
    /// The library's own view of the grant.
    public let basis: GrantBasis
    private let ownSession: Session?

    /// - Returns: Nil if there are no locks.
    init?(_ grants: [String: LockGrant], ownSession: Session?) {
        let holds = grants.values.map(\.hold)
        guard let first = holds.first else { return nil }
        self.grants = grants
        self.ownSession = ownSession
        let lifetime = Lifetime(within: holds.map(\.lifetime))
        basis = GrantBasis(first, others: Array(holds.dropFirst()), lifetime: lifetime)
    }

    /// Releases all locks, as ``LockGrant/release(timeout:)`` does for one.
    ///
    /// - Parameter timeout: How long to wait until others can have the locks.
    public func release(timeout: Duration = .seconds(5)) async {
        await withTaskGroup(of: Void.self) { group in
            for grant in grants.values { group.addTask { await grant.release(timeout: timeout) } }
        }
        await ownSession?.close(timeout: timeout)
    }

    /// Runs `body`, cancels it when a lock is lost, and releases all.
    func whileHeld<Result: Sendable>(
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result {
        try await releasing({ await release() }) {
            try await basis.lifetime.whileHeld { try await body(self) }
        }
    }
}
