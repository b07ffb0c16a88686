// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Runs operations as one, if conditions hold.
    ///
    /// ```swift
    /// let response = try await client.transaction(
    ///     if: [.isMissing("owner"), .version("users/1") == 3],
    ///     then: [.put("owner", "me"), .delete("draft")],
    ///     else: [.get("owner")]
    /// )
    /// ```
    ///
    /// All operations of the branch that runs make one revision. A transaction that only reads is repeated like a read
    /// when its connection breaks; any other is not, and throws `ambiguous` then.
    ///
    /// - Parameters:
    ///   - conditions: What must hold for `then` to run; nothing, if there are none.
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
        return try await call(method, request)
    }
}
