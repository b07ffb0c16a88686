// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keys that one has put, and could not delete before their session was lost: they stay until the server ends the lease.
///
/// When it joins anew, it deletes them in the same transaction, so that it does not stand behind itself.
final class Leftovers: Sendable {
    /// With what is within them, half of the operations that etcd allows in a transaction.
    private static let limit = 32

    private let leases = Lock<[Key: Lease.ID]>([:])

    /// Takes a key whose hold is lost for certain on this side.
    func add(_ key: Key, of lease: Lease.ID) {
        leases.withLock { $0[key] = lease }
    }

    /// The keys that one transaction deletes, and how: not those that are another's by now.
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

extension Session {
    /// Hands a key that is given up, but not known to be deleted, to those that its owner deletes when it joins anew.
    func leaveBehind(_ candidacy: Candidacy) {
        guard candidacy.mayExist, let reason = tenure.loss?.reason, reason != .leaseEnded, !isRevoked else { return }
        candidacy.leftovers?.add(candidacy.key, of: lease.id)
    }
}
