// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Someone who holds a lock or waits for it.
public struct LockEntry: Sendable, Hashable {
    /// The key that stands for the place in the queue.
    public let key: Key
    /// The place in the queue: the revision in which the key came into being.
    public let fencingToken: Revision
    /// The lease that the place lives as long as; nil for a foreign key.
    ///
    /// Nothing ends such a key but a deletion: where waiters do not get their turn, look for it here.
    public let lease: Lease.ID?
    /// The place is for reading, which it can share with others; see ``ReadWriteLock``.
    public let isShared: Bool
    /// What the holder or waiter says of itself; empty for `etcdctl` and Go.
    public let owner: Value

    init(_ entry: KeyValue) {
        key = entry.key
        fencingToken = entry.createRevision
        lease = entry.lease
        isShared = KeyQueue.Role(of: entry) == .shared
        owner = entry.owner
    }
}
