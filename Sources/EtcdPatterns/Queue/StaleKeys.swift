// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keys that an owner could not delete before their session was lost: they stay until the server ends the lease.
///
/// When the owner joins anew, it deletes them in the same transaction, so that it does not wait for itself.
final class StaleKeys: Sendable {
    /// With the operations within them, half of the operations that etcd allows in a transaction.
    private static let limit = 32

    private let leases = Lock<[Key: Lease.ID]>([:])

    /// Takes a key whose hold is certainly lost on this side.
    func add(_ key: Key, of lease: Lease.ID) {
        leases.withLock { $0[key] = lease }
    }

    /// The keys for one transaction, and the operations that delete them unless they belong to another by now.
    var batch: (keys: [Key], deletions: [TransactionOperation]) {
        let batch = leases.withLock { Array($0.prefix(Self.limit)) }
        let deletions = batch.map { key, lease in
            TransactionOperation.transaction(if: [Compare.Target.lease(key) == lease], then: [.delete(key)])
        }
        return (batch.map(\.key), deletions)
    }

    /// Forgets keys that are deleted.
    func remove(_ keys: [Key]) {
        leases.withLock { leases in
            for key in keys { leases[key] = nil }
        }
    }
}
