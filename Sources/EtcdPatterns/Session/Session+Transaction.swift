// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Session {
    /// Runs a transaction, as which all patterns read and write the store, and examines its answer.
    func transaction(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = [],
        timeout: Duration? = nil
    ) async throws(EtcdError) -> TransactionResponse {
        try await examining { () throws(EtcdError) in
            let client = client.with(timeout: timeout ?? client.timeout)
            let response = try await client.transaction(if: conditions, then: then, else: `else`)
            return (response.header, response)
        }
    }

    /// Makes a call, and examines its answer.
    ///
    /// The answer may end the session, if it says that its lease is not there, that the store is another
    /// one, or that it is older than it was before the call, after which it may have forgotten holds.
    private func examining<Answer>(
        _ call: () async throws(EtcdError) -> (ResponseHeader, Answer)
    ) async throws(EtcdError) -> Answer {
        let floor = witness.position
        do throws(EtcdError) {
            let (header, answer) = try await call()
            if witness.isFall(header, below: floor) { tenure.end(CoordinationLoss(.revisionRegressed)) }
            return answer
        } catch {
            switch error.code {
            case .leaseNotFound: tenure.end(CoordinationLoss(.leaseEnded, cause: error))
            case .clusterMismatch: tenure.end(CoordinationLoss(.clusterChanged, cause: error))
            default: break
            }
            throw error
        }
    }

    /// Reads as ``transaction(if:then:else:timeout:)`` does, for as long as there is no way to the cluster.
    ///
    /// It calls `onFailure` for each attempt that has failed.
    func read(
        _ operations: [TransactionOperation],
        onFailure: (EtcdError) -> Void = { _ in }
    ) async throws(EtcdError) -> TransactionResponse {
        try await read(onFailure: onFailure) { () throws(EtcdError) in
            let response = try await client.transaction(then: operations)
            return (response.header, response)
        }
    }

    /// Makes a call that reads, and examines its answer, for as long as there is no way to the cluster.
    func read<Answer>(
        onFailure: (EtcdError) -> Void,
        _ call: () async throws(EtcdError) -> (ResponseHeader, Answer)
    ) async throws(EtcdError) -> Answer {
        try await client.persist { () throws(EtcdError) in
            do throws(EtcdError) {
                return try await examining(call)
            } catch {
                if error.code != .cancelled { onFailure(error) }
                throw error
            }
        }
    }

    /// Runs a transaction again and again until it has an outcome.
    ///
    /// It must be one that does no harm when it takes effect twice, or late, and whose answer shows what an attempt
    /// before has done. An attempt is not cancelled at once, since that would leave its outcome open.
    ///
    /// With a `deadline` it gives up then, and it calls `onUnknown` for each attempt that may still take effect, and
    /// `onFailure` for each that has failed. It throws ``EtcdError`` or ``CoordinationLoss``, and notices a cancellation
    /// between two attempts.
    func settle(
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation] = [],
        until deadline: ContinuousClock.Instant? = nil,
        onUnknown: () -> Void = {},
        onFailure: (EtcdError) -> Void = { _ in }
    ) async throws -> TransactionResponse {
        var failures = 0
        while true {
            try checkCancellation()
            let timeout = deadline.map { min(attemptTimeout, $0 - .now) } ?? attemptTimeout
            let outcome = await shielded(for: Self.grace) { () -> Result<TransactionResponse, EtcdError> in
                do throws(EtcdError) {
                    return .success(
                        try await self.transaction(if: conditions, then: then, else: `else`, timeout: timeout)
                    )
                } catch {
                    return .failure(error)
                }
            }
            switch outcome {
            case .success(let response): return response
            case .failure(let error):
                onFailure(error)
                if error.code.mayHaveTakenEffect { onUnknown() }
                if error.code != .ambiguous, error.code != .cancelled, !error.code.isTransient {
                    throw tenure.loss ?? error
                }
                if let deadline, .now >= deadline { throw error }
            }
            failures += 1
            // A cancelled pause is noticed by the next attempt.
            try? await Task.sleep(for: client.retry.backoff.delay(afterFailures: failures))
        }
    }
}
