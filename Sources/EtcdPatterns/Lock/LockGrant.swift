// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A lock that was acquired.
public struct LockGrant: FencedGrant {
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Whether the lock is held for reading, or a writer has begun to downgrade it; see ``ReadWriteLock``.
    public var isShared: Bool { hold.isShared }

    /// Releases the lock, for the next waiter.
    ///
    /// A second release does nothing, and a lock that is lost already is not waited for. The release goes on if the caller's
    /// task is cancelled, and in the background when the timeout is over, for as long as the lease lives. If the key cannot
    /// be deleted by then, the lease is given up, which may take the session with it.
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
