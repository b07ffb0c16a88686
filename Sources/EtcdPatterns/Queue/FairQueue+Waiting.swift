// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// How a key in the queue waits for its turn.
extension FairQueue {
    /// Waits until no key before this one is left that it has to wait for.
    ///
    /// - Returns: Whether it has its turn.
    func advance(_ queueKey: QueueKey, _ others: Predecessors, _ waits: Bool) async throws -> Bool {
        var before = others
        while before.count > 0 {
            let revision = try await look(queueKey, &before)
            // The known ones may have gone, and there may be others before them.
            if before.nearest.isEmpty { continue }
            if !waits { return false }
            try await approach(queueKey, &before, after: revision)
        }
        return true
    }

    /// Waits until fewer than `window` are left of those before the key that are known from a look at `revision`.
    ///
    /// It watches the nearest ones only, and the key itself. So a release wakes at most `window` waiters.
    func approach(
        _ queueKey: QueueKey,
        _ before: inout Predecessors,
        within window: Int = 1,
        after revision: Revision
    ) async throws {
        var revision = revision
        while before.nearest.count >= window {
            let keys = [queueKey.key] + before.nearest.prefix(window).map(\.key)
            // The nearest may have been a waiter that gave up, so each change needs a look.
            try await client.awaitChange(in: keys.map { .key($0) }, after: revision) { event in
                event.kind == .delete || event.entry.lease == nil || Role(of: event.entry) == .shared
            }
            revision = try await look(queueKey, &before, window: window)
        }
    }

    /// Looks at the key and at those before it that are known, or reads more of them where these are too few.
    ///
    /// Afterwards at least `window` are known, unless there are fewer; nil means all. It reads `more` at the same revision,
    /// and passes the answers to `note` before it throws ``CoordinationLoss`` if the key is gone.
    ///
    /// - Returns: The revision of the look.
    @discardableResult
    func look(
        _ queueKey: QueueKey,
        _ before: inout Predecessors,
        window: Int? = 1,
        reading more: [TransactionOperation] = [],
        _ note: ([TransactionResult]) throws -> Void = { _ in }
    ) async throws -> Revision {
        let keys = [queueKey.key] + before.nearest.map(\.key)
        let section = before.section(window: window)
        let answer = try await session.read(onFailure: { attempt.hindered(by: $0) }) { () throws(EtcdError) in
            let answer = try await client.sharedReads.read(keys, more, section, for: client)
            return (answer.header, answer)
        }
        attempt.answered()
        try note(answer.more)
        guard answer.entries.first??.createRevision == queueKey.createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        try before.note(answer.entries.dropFirst().compactMap(\.self), answer.section)
        return answer.header.revision
    }
}
