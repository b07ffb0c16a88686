// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Hold {
    /// Runs a transaction that has no effect unless all of `holds`, which are of one session, are held.
    static func guarded(
        _ holds: [Hold],
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation]
    ) async throws -> TransactionResponse {
        for hold in holds { if let loss = hold.tenure.loss { throw loss } }
        guard let session = holds.first?.queue.session else {
            throw EtcdError(.invalidArgument, "there is no lock to guard the transaction")
        }
        // Where there are more conditions, the guards are around them, so that it is known what has failed.
        let inner = TransactionOperation.transaction(if: conditions, then: then, else: `else`)
        let response = try await session.transaction(
            if: holds.map(\.isCurrent),
            then: conditions.isEmpty ? then : [inner],
            else: holds.map { .get($0.key) }
        )
        if !response.succeeded { throw refusal(of: holds, response) }
        guard !conditions.isEmpty, case .transaction(var result)? = response.results.first else { return response }
        result.header = response.header
        return result
    }

    /// Why guards do not hold, as the keys show; the holds whose keys are gone end.
    private static func refusal(of holds: [Hold], _ response: TransactionResponse) -> CoordinationLoss {
        var first: CoordinationLoss?
        for (hold, result) in zip(holds, response.results) {
            let entry = result.entries.first
            let isThere = entry?.createRevision == hold.createRevision
            // The hold has become a shared one after the transaction was made.
            if isThere && entry.map(KeyQueue.Role.init(of:)) == .shared { continue }
            if isThere && entry?.modRevision == hold.createRevision { continue }
            hold.tenure.end(CoordinationLoss(.guardFailed))
            first = first ?? hold.tenure.loss
        }
        return first ?? CoordinationLoss(.downgraded)
    }
}
