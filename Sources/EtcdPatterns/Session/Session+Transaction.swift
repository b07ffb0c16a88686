// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Session {
    /// Runs a transaction and examines its answer: all patterns read and write the store in this way.
    func transaction(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = [],
        timeout: Duration? = nil
    ) async throws(EtcdError) -> TransactionResponse {
        try await examining(\.header) { () throws(EtcdError) in
            let client = client.with(timeout: timeout ?? client.timeout)
            return try await client.transaction(if: conditions, then: then, else: `else`)
        }
    }

    /// Makes a call, and examines its answer.
    ///
    /// The answer may end the session, if it shows that the lease does not exist, that the store is another one, or
    /// that the store is older than before the call and may lack holds.
    private func examining<Answer>(
        _ header: (Answer) -> ResponseHeader,
        _ call: () async throws(EtcdError) -> Answer
    ) async throws(EtcdError) -> Answer {
        let floor = witness.position
        do throws(EtcdError) {
            let answer = try await call()
            if witness.isFall(header(answer), below: floor) { lifetime.end(CoordinationLoss(.revisionRegressed)) }
            return answer
        } catch {
            switch error.code {
            case .leaseNotFound: lifetime.end(CoordinationLoss(.leaseEnded, cause: error))
            case .clusterMismatch: lifetime.end(CoordinationLoss(.clusterChanged, cause: error))
            default: break
            }
            throw error
        }
    }

    /// Reads as ``transaction(if:then:else:timeout:)`` does, and repeats that until the cluster can be reached.
    ///
    /// It calls `onFailure` for each attempt that has failed.
    func read(
        _ operations: [TransactionOperation],
        onFailure: (EtcdError) -> Void = { _ in }
    ) async throws(EtcdError) -> TransactionResponse {
        try await read(\.header, onFailure: onFailure) { () throws(EtcdError) in
            try await client.transaction(then: operations)
        }
    }

    /// Makes a call that reads, and examines its answer; repeats that until the cluster can be reached.
    func read<Answer>(
        _ header: (Answer) -> ResponseHeader,
        onFailure: (EtcdError) -> Void,
        _ call: () async throws(EtcdError) -> Answer
    ) async throws(EtcdError) -> Answer {
        try await client.retryingWhileUnavailable { () throws(EtcdError) in
            try await noting(onFailure) { () throws(EtcdError) in try await examining(header, call) }
        }
    }

    /// Repeats a transaction until its outcome is known.
    ///
    /// It must do no harm when it takes effect twice, or late, and its answer must show what an earlier attempt has done. An
    /// attempt is not cancelled at once, since that would leave its outcome open. A cancellation and the loss of the session
    /// are noticed between two attempts.
    ///
    /// `else` is evaluated anew for each attempt. The first attempt, if it has nothing for `else`, may be sent in one batch
    /// with transactions of other batch keys; a `batchKey` of nil sends it alone. `onFailure` is called for each attempt that
    /// has failed, and `onUnknown` for each that may still take effect.
    ///
    /// - Throws: ``EtcdError``, ``CoordinationLoss`` or `CancellationError`.
    func retryingUntilKnown(
        if conditions: [Compare],
        then: [TransactionOperation],
        else: @autoclosure () -> [TransactionOperation] = [],
        batchKey: Key? = nil,
        onUnknown: () -> Void = {},
        onFailure: (EtcdError) -> Void = { _ in }
    ) async throws -> TransactionResponse {
        var failures = 0
        while true {
            try Task.checkCancellation()
            if let loss = lifetime.loss { throw loss }
            let otherwise = `else`()
            let outcome = await attempt(
                if: conditions,
                then: then,
                else: otherwise,
                batchKey: failures == 0 ? batchKey : nil
            )
            switch outcome {
            case .success(let response): return response
            case .failure(let error):
                onFailure(error)
                if error.code.mayHaveTakenEffect { onUnknown() }
                if error.code != .ambiguous, error.code != .cancelled, !error.code.isTransient {
                    throw lifetime.loss ?? error
                }
            }
            failures += 1
            await Task.pause(for: client.retry.backoff.delay(afterFailures: failures))
        }
    }

    private func attempt(
        if conditions: [Compare],
        then: [TransactionOperation],
        else: [TransactionOperation],
        batchKey: Key?
    ) async -> Result<TransactionResponse, EtcdError> {
        if let batchKey, `else`.isEmpty {
            let part = TransactionBatcher.Part(conditions: conditions, operations: then, batchKey: batchKey)
            if let outcome = await batcher.run(part, on: self, grace: Self.grace) { return outcome }
        }
        return await withoutCancellation(for: Self.grace, within: lifetime) {
            do throws(EtcdError) {
                let timeout = self.attemptTimeout
                return .success(try await self.transaction(if: conditions, then: then, else: `else`, timeout: timeout))
            } catch {
                return .failure(error)
            }
        }
    }

    /// Deletes a key if all conditions hold, and repeats that until its outcome is known or the time is over, also if the
    /// session is lost.
    ///
    /// - Returns: The header of the answer.
    @discardableResult
    func delete(
        _ key: Key,
        if conditions: [Compare],
        until deadline: ContinuousClock.Instant
    ) async throws(EtcdError) -> ResponseHeader {
        try await client.retryingUntilKnown(until: deadline, attempt: attemptTimeout) { client throws(EtcdError) in
            try await examining(\.self) { () throws(EtcdError) in
                if conditions.isEmpty { return try await client.delete(key).header }
                return try await client.transaction(if: conditions, then: [.delete(key)]).header
            }
        }
    }
}
