// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The first keys of queues that those who would not wait on one client have found taken.
///
/// To see that a queue is empty, etcd reads all of it, which takes long where thousands wait. A key that was the first is
/// so for as long as it is there, and etcd finds a single key at once.
final class QueueHeads: Sendable {
    struct Head: Sendable {
        let key: Key
        let createRevision: Revision
    }

    /// Where there are more, all are forgotten; what is not known is read.
    private static let capacity = 1_000

    private let heads = Lock<[Key: Head]>([:])

    /// The one that was last seen in the queue of `name`, a key of the whole store.
    subscript(name: Key) -> Head? { heads.withLock { $0[name] } }

    /// Notes the first one of a queue, nil where it is empty.
    func note(_ head: KeyValue?, of name: Key) {
        heads.withLock { heads in
            if heads[name] == nil, heads.count >= Self.capacity { heads = [:] }
            heads[name] = head.map { Head(key: $0.key, createRevision: $0.createRevision) }
        }
    }
}
