// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Runs operations atomically, if conditions hold.
    ///
    /// ```swift
    /// let response = try await client.transaction(
    ///     if: [.isMissing("owner"), .version("users/1") == 3],
    ///     then: [.put("owner", "me"), .delete("draft")],
    ///     else: [.get("owner")]
    /// )
    /// ```
    ///
    /// The operations of a branch have one revision. A transaction that only reads is repeated like a read when its
    /// connection breaks; any other transaction then throws `ambiguous`.
    ///
    /// - Parameters:
    ///   - conditions: The conditions for `then` to run; it always runs if there are none.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not.
    /// - Returns: Which branch has run, and its results.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`, `duplicateKey`, `tooManyOperations`, `requestTooLarge`,
    ///   `leaseNotFound`, `compacted` and `futureRevision`.
    @discardableResult
    public func transaction(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws(EtcdError) -> TransactionResponse {
        let request = Wire.TxnRequest(conditions, then, `else`)
        var method = Wire.txn
        if request.isReadOnly { method = method.reading }
        if request.isSerializable { method = method.serializable }
        return try await call(method, request, about: request.summary)
    }
}

extension Wire.TxnRequest {
    /// The transaction in words, for an error.
    fileprivate var summary: String {
        let ranges = (success + failure).flatMap(\.writtenRanges)
        let writes = ranges.isEmpty ? "" : ", which write \(ranges[0])\(ranges.count > 1 ? " and others" : "")"
        return "the transaction has \(compare.count) conditions, \(success.count) operations and "
            + "\(failure.count) others\(writes); etcd allows 128 of each by default (--max-txn-ops)"
    }
}
