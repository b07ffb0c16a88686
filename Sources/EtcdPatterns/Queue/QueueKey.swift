// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// One key in a queue, from the first attempt to put it until it can never appear again.
final class QueueKey: Sendable {
    private struct State {
        var createRevision: Revision?
        /// How many attempts to put the key may still take effect.
        var looseEnds = 0
    }

    let session: Session
    let key: Key
    let value: Value
    /// Takes the key if it cannot be deleted before the session is lost.
    let staleKeys: StaleKeys?
    private let state = Lock(State())

    init(_ session: Session, _ key: Key, _ value: Value, _ staleKeys: StaleKeys? = nil) {
        self.session = session
        self.key = key
        self.value = value
        self.staleKeys = staleKeys
    }

    /// The revision at which the key was created, once that is known: its place in the queue.
    var createRevision: Revision? { state.withLock { $0.createRevision } }

    /// The key is, or may be, in the store.
    var mayExist: Bool { state.withLock { $0.createRevision != nil || $0.looseEnds > 0 } }

    /// An attempt to put the key may still take effect.
    var hasLooseEnds: Bool { state.withLock { $0.looseEnds > 0 } }

    /// An attempt has put the key.
    func entered(at revision: Revision) {
        state.withLock { $0.createRevision = revision }
    }

    /// An attempt has found the key, which an earlier one has put.
    func found(at revision: Revision) {
        state.withLock { state in
            if state.createRevision == nil { state.looseEnds -= 1 }
            state.createRevision = revision
        }
    }

    /// The outcome of an attempt is unknown.
    func tried() {
        state.withLock { $0.looseEnds += 1 }
    }
}

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
