// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Tenure {
    /// Runs a transaction that has no effect unless `isCurrent` holds, by which the server knows what is held.
    ///
    /// - Throws: ``CoordinationLoss`` when it is not held, after which nothing was done; ``EtcdError``.
    func guarded(
        by isCurrent: Compare,
        _ client: EtcdClient,
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation]
    ) async throws -> TransactionResponse {
        if let loss { throw loss }
        // Where there are more conditions, the guard is around them, so that it is known what has failed.
        let inner = TransactionOperation.transaction(if: conditions, then: then, else: `else`)
        let response = try await client.transaction(if: [isCurrent], then: conditions.isEmpty ? then : [inner])
        if !response.succeeded {
            end(CoordinationLoss(.guardFailed))
            throw loss ?? CoordinationLoss(.guardFailed)
        }
        guard !conditions.isEmpty, case .transaction(var result)? = response.results.first else { return response }
        result.header = response.header
        return result
    }
}
