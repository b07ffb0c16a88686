// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The first keys of queues, as acquisitions of one client that do not wait have found them.
///
/// To see that a queue is empty, etcd reads all of it, which takes long if thousands wait. A key that was the first stays the
/// first for as long as it exists, and etcd finds a single key at once.
final class QueueHeads: Sendable {
    struct Head: Sendable {
        let key: Key
        let createRevision: Revision
    }

    /// If there are more, all are forgotten and read again.
    private static let capacity = 1_000

    private let heads = Lock<[Key: Head]>([:])

    /// The one that was last seen in the queue of `name`, a key of the whole store.
    subscript(name: Key) -> Head? { heads.withLock { $0[name] } }

    /// Notes the first key of a queue; nil if it is empty.
    func note(_ head: KeyValue?, of name: Key) {
        heads.withLock { heads in
            if heads[name] == nil, heads.count >= Self.capacity { heads = [:] }
            heads[name] = head.map { Head(key: $0.key, createRevision: $0.createRevision) }
        }
    }
}
