// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Runs `body` as one transaction: its writes are committed together, if nothing that it read has changed.
    ///
    /// ```swift
    /// try await client.atomically { transaction in
    ///     let balance = try await transaction.get("balance")?.value.string.flatMap { Int($0) } ?? 0
    ///     transaction.put("balance", "\(balance + 1)")
    ///     transaction.delete("pending")
    /// }
    /// ```
    ///
    /// Otherwise `body` runs again, so it may run many times, and should have no side effects. It runs where the caller
    /// runs, one attempt after the other. If it throws, nothing is written.
    ///
    /// A range that was read is protected from new keys as well as from deletions. A transaction that only reads, at
    /// one revision, needs no commit.
    ///
    /// - Parameters:
    ///   - options: The isolation, the number of attempts, and the server's limits.
    ///   - body: Reads and writes. Only what it does through its argument belongs to the transaction.
    /// - Returns: The result of `body` in the successful attempt.
    /// - Throws: The error of `body`; ``EtcdError``, among its codes `transactionConflict` after the last attempt,
    ///   `ambiguous` when the outcome of the commit is unknown, which is then not repeated, and `tooManyOperations` and
    ///   `requestTooLarge`, before anything is sent.
    @discardableResult
    public func atomically<Result>(
        _ options: AtomicOptions = AtomicOptions(),
        _ body: (inout AtomicTransaction) async throws -> Result
    ) async throws -> Result {
        try await atomicallyCommitting(options, body).result
    }

    /// As ``atomically(_:_:)``, and returns the revision of the commit; nil if nothing was written.
    package func atomicallyCommitting<Result>(
        _ options: AtomicOptions = AtomicOptions(),
        _ body: (inout AtomicTransaction) async throws -> Result
    ) async throws -> (result: Result, revision: Revision?) {
        try options.check()
        var ranges = options.prefetchedKeys.map { KeyRange.key($0) }
        var prefetched: AtomicView?
        var failures = 0
        while true {
            if Task.isCancelled { throw EtcdError.cancelledTask }
            if prefetched == nil, !ranges.isEmpty {
                // As many as fit one request, all at one revision.
                ranges = Array(ranges.prefix(options.maximumOperations))
                prefetched = AtomicView(try await self.transaction(then: ranges.map { .range($0) }), of: ranges)
            }
            var transaction = AtomicTransaction(self, options, prefetched)
            prefetched = nil
            do {
                let result = try await body(&transaction)
                if !transaction.isDoomed {
                    switch try await transaction.commit() {
                    case .committed(let revision): return (result, revision)
                    case .conflict(let present): prefetched = present
                    }
                }
            } catch {
                // The error of an attempt that cannot succeed any more is ignored: the next attempt decides.
                guard transaction.isDoomed else { throw error }
            }
            failures += 1
            if failures >= options.maximumAttempts {
                let text = "the entries that the transaction has read have changed in each of \(failures) attempts"
                throw EtcdError(.transactionConflict, text)
            }
            ranges = transaction.readRanges
            // An attempt without a pause can use the reads of the failed commit; after a pause they are old.
            let pause = options.backoff.delay(afterFailures: failures - 1)
            if pause > .zero {
                prefetched = nil
                // A cancelled pause is noticed by the next attempt.
                try? await Task.sleep(for: pause)
            }
        }
    }
}
