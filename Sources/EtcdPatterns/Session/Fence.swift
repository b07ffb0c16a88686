// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A key that stands for something held, and that a transaction can depend on.
protocol Fence: Sendable {
    var session: Session { get }
    var key: Key { get }
    /// The revision at which the key was created: the fencing token.
    var createRevision: Revision { get }
    var lifetime: Lifetime { get }
    /// The condition for the server that it is held.
    var isCurrent: Compare { get }
    /// Ranges that a transaction must not write to.
    var reserved: [KeyRange] { get }

    /// Whether ``isCurrent`` would hold if this were the entry of the key.
    func isMet(by entry: KeyValue?) -> Bool
}

extension Session {
    /// Runs a transaction that has no effect unless all of `fences` are held.
    func guarded(
        by fences: [any Fence],
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = [],
        mayWriteReserved: Bool = false
    ) async throws -> TransactionResponse {
        for range in mayWriteReserved ? [] : (then + `else`).flatMap(\.writtenRanges) {
            for reserved in fences.flatMap(\.reserved) where reserved.overlaps(range) {
                throw EtcdError(
                    .invalidArgument,
                    "a guarded transaction would write to \(range), but the keys in \(reserved) belong to the queue"
                )
            }
        }
        for loss in fences.lazy.compactMap(\.lifetime.loss) { throw loss }
        // Further conditions are nested, so that the answer tells which ones have failed.
        let inner = TransactionOperation.transaction(if: conditions, then: then, else: `else`)
        let response = try await transaction(
            if: fences.map(\.isCurrent),
            then: conditions.isEmpty ? then : [inner],
            else: fences.map { .get($0.key) }
        )
        if !response.succeeded { throw Self.refusal(of: fences, response) }
        guard !conditions.isEmpty, case .transaction(var result)? = response.results.first else { return response }
        result.header = response.header
        return result
    }

    /// The reason why fences did not hold, according to their keys; ends the lifetimes of those that are lost.
    private static func refusal(of fences: [any Fence], _ response: TransactionResponse) -> CoordinationLoss {
        var first: CoordinationLoss?
        for (fence, result) in zip(fences, response.results) where !fence.isMet(by: result.entries.first) {
            fence.lifetime.end(CoordinationLoss(.guardFailed))
            first = first ?? fence.lifetime.loss
        }
        // All are held, so one was downgraded meanwhile.
        return first ?? CoordinationLoss(.downgraded)
    }
}
