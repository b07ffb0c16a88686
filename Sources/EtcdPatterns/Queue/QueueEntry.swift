// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A holder or a waiter in the queue of a lock or a semaphore.
public struct QueueEntry: Sendable, Hashable, CustomStringConvertible {
    /// The key that stands for the place in the queue.
    public let key: Key
    /// The place in the queue: the revision at which the key was created.
    public let fencingToken: Revision
    /// The lease of the key; nil for a foreign key.
    ///
    /// Only a deletion ends a key without a lease: if waiters do not get their turn, look for one here.
    public let lease: Lease.ID?
    /// Whether the place is for reading, and can be shared with other readers.
    public let isShared: Bool
    /// The holder's or waiter's text about itself; empty for `etcdctl` and Go.
    public let owner: Value

    /// Makes an entry with these properties, for tests.
    public init(
        key: Key,
        fencingToken: Revision,
        lease: Lease.ID? = nil,
        isShared: Bool = false,
        owner: Value = ""
    ) {
        self.key = key
        self.fencingToken = fencingToken
        self.lease = lease
        self.isShared = isShared
        self.owner = owner
    }

    init(_ entry: KeyValue) {
        self.init(
            key: entry.key,
            fencingToken: entry.createRevision,
            lease: entry.lease,
            isShared: FairQueue.Role(of: entry) == .shared,
            owner: entry.owner
        )
    }

    /// The owner, the key and the token in one line.
    public var description: String {
        "\"\(owner)\" with \(key), token \(fencingToken)\(isShared ? ", shared" : "")\(lease == nil ? ", no lease" : "")"
    }
}
