// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The end of a hold by which not the next in the queue has its turn, but a chosen one: the keys before it are deleted,
/// the holder's too, in one transaction.
///
/// Whoever has its turn is still the one with the lowest create revision, and whoever comes has a higher one. So create
/// revisions rise from holder to holder, also across handovers. The waiters that were passed over find their keys gone
/// and come again, as the last.
struct Handover: Sendable {
    /// An etcd transaction has at most 128 operations, unless its server is told otherwise.
    static let maximumDeletions = 100

    let conditions: [Compare]
    let operations: [TransactionOperation]

    init(from key: Key, at revision: Revision, to chosen: KeyValue, past between: [Key]) {
        conditions = [
            Compare.Target.createRevision(key) == revision,
            Compare.Target.createRevision(chosen.key) == chosen.createRevision,
        ]
        operations = ([key] + between).map { .delete($0) }
    }
}

extension KeyQueue {
    /// The key has a nonce, as those of this package have: its owner looks at it before it believes to have its turn.
    func isNative(_ key: Key) -> Bool { key.bytes.dropFirst(name.bytes.count + 1).contains(UInt8(ascii: "-")) }

    /// Runs a handover; where that fails, nothing has happened, or what the release would do anyway.
    func run(_ handover: Handover) async {
        _ = try? await session.hurried.transaction(if: handover.conditions, then: handover.operations)
    }
}
