// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The end of a hold after which a chosen waiter has its turn instead of the next one: one transaction deletes the keys
/// before it, with that of the holder.
///
/// The key with the lowest create revision still has its turn, and new keys have higher ones. So create revisions rise from
/// holder to holder, also across handovers. The waiters that were passed over find their keys gone, and join again as the
/// last.
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

extension FairQueue {
    /// The key has a nonce, so it belongs to this package: its owner reads it before it takes its turn.
    func isNative(_ key: Key) -> Bool { key.bytes.dropFirst(name.bytes.count + 1).contains(UInt8(ascii: "-")) }

    /// Runs a handover; if it fails, nothing has happened, or only what the release would do anyway.
    func run(_ handover: Handover) async {
        let timeout = min(session.lease.timeToLive, client.timeout)
        _ = try? await session.transaction(if: handover.conditions, then: handover.operations, timeout: timeout)
    }
}
