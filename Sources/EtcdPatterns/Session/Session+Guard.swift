// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// What a transaction can be made to depend on: a key that stands for something held.
struct Guard: Sendable {
    let key: Key
    let tenure: Tenure
    /// The condition that it is held, for the server.
    let condition: Compare
    /// Where nothing but the queue may be.
    var reserved: [KeyRange] = []
    /// Whether the condition would hold if this were the entry of the key.
    let isMet: @Sendable (KeyValue?) -> Bool
}

extension Session {
    /// Runs a transaction that has no effect unless what all of `guards` stand for is held.
    func guarded(
        by guards: [Guard],
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation]
    ) async throws -> TransactionResponse {
        for range in (then + `else`).flatMap(\.writtenRanges) {
            for reserved in guards.flatMap(\.reserved) where reserved.overlaps(range) {
                throw EtcdError(
                    .invalidArgument,
                    "a guarded transaction would change \(range), but the keys in \(reserved) are those of the queue: "
                        + "what is there is waited for"
                )
            }
        }
        for loss in guards.lazy.compactMap(\.tenure.loss) { throw loss }
        // Where there are more conditions, the guards are around them, so that it is known what has failed.
        let inner = TransactionOperation.transaction(if: conditions, then: then, else: `else`)
        let response = try await transaction(
            if: guards.map(\.condition),
            then: conditions.isEmpty ? then : [inner],
            else: guards.map { .get($0.key) }
        )
        if !response.succeeded { throw Self.refusal(of: guards, response) }
        guard !conditions.isEmpty, case .transaction(var result)? = response.results.first else { return response }
        result.header = response.header
        return result
    }

    /// Why guards did not hold, as their keys show; what is held no more ends.
    private static func refusal(of guards: [Guard], _ response: TransactionResponse) -> CoordinationLoss {
        var first: CoordinationLoss?
        for (it, result) in zip(guards, response.results) where !it.isMet(result.entries.first) {
            it.tenure.end(CoordinationLoss(.guardFailed))
            first = first ?? it.tenure.loss
        }
        // All are held, so one is a shared one now.
        return first ?? CoordinationLoss(.downgraded)
    }
}
