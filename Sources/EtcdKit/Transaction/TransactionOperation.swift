// SPDX-License-Identifier: Apache-2.0

/// One step of a transaction.
public struct TransactionOperation: Sendable, Hashable {
    let request: Wire.RequestOp

    /// Reads the entry under `key`.
    ///
    /// - Parameter key: The key.
    /// - Returns: The operation; its result is a ``TransactionResult/range(_:)``.
    public static func get(_ key: Key) -> Self { range(.key(key)) }

    /// Reads the entries in `range`.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - options: How to read them.
    /// - Returns: The operation; its result is a ``TransactionResult/range(_:)``.
    public static func range(_ range: KeyRange, options: RangeOptions = RangeOptions()) -> Self {
        Self(request: Wire.RequestOp(range: Wire.RangeRequest(range, options)))
    }

    /// Puts `value` under `key`.
    ///
    /// No key may be put twice in one branch of a transaction.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: Its new value.
    ///   - lease: The lease to attach the key to; nil for none.
    ///   - keepingLease: Keeps the lease that the key has instead; the key must exist.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: The operation; its result is a ``TransactionResult/put(_:)``.
    public static func put(
        _ key: Key,
        _ value: Value,
        lease: Lease.ID? = nil,
        keepingLease: Bool = false,
        returningPrevious: Bool = false
    ) -> Self {
        Self(request: Wire.RequestOp(put: Wire.PutRequest(key, value, lease, keepingLease, returningPrevious)))
    }

    /// Puts the current value of `key` again, which makes a new version of it and sets its lease.
    ///
    /// - Parameters:
    ///   - key: The key, which must exist.
    ///   - lease: The lease to attach the key to; nil for none.
    ///   - keepingLease: Keeps the lease that the key has instead.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: The operation; its result is a ``TransactionResult/put(_:)``.
    public static func touch(
        _ key: Key,
        lease: Lease.ID? = nil,
        keepingLease: Bool = false,
        returningPrevious: Bool = false
    ) -> Self {
        Self(request: Wire.RequestOp(put: Wire.PutRequest(key, nil, lease, keepingLease, returningPrevious)))
    }

    /// Deletes `key`.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: The operation; its result is a ``TransactionResult/delete(_:)``.
    public static func delete(_ key: Key, returningPrevious: Bool = false) -> Self {
        delete(.key(key), returningPrevious: returningPrevious)
    }

    /// Deletes all keys in `range`.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - returningPrevious: Returns the entries from before.
    /// - Returns: The operation; its result is a ``TransactionResult/delete(_:)``.
    public static func delete(_ range: KeyRange, returningPrevious: Bool = false) -> Self {
        Self(request: Wire.RequestOp(deleteRange: Wire.DeleteRangeRequest(range, returningPrevious)))
    }

    /// Runs a transaction within the transaction.
    ///
    /// etcd before 3.4.42, 3.5.28 and 3.6.11 does not check the user's permissions for the operations in it.
    ///
    /// - Parameters:
    ///   - conditions: The conditions for `then` to run.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not.
    /// - Returns: The operation; its result is a ``TransactionResult/transaction(_:)``.
    public static func transaction(if conditions: [Compare], then: [Self], else: [Self] = []) -> Self {
        Self(request: Wire.RequestOp(transaction: Wire.TxnRequest(conditions, then, `else`)))
    }
}

extension TransactionOperation {
    /// The keys that it puts or deletes, or may put or delete, including nested transactions.
    package var writtenRanges: [KeyRange] { request.writtenRanges }
}

extension Wire.RequestOp {
    var writtenRanges: [KeyRange] {
        if let put { return [.key(Key(bytes: put.key))] }
        if let deleteRange { return [KeyRange(start: deleteRange.key, end: deleteRange.rangeEnd)] }
        return transaction.map { ($0.success + $0.failure).flatMap(\.writtenRanges) } ?? []
    }
}
