// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Reads the entry under `key`.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - revision: The revision to read at; nil for the newest.
    ///   - serializable: Lets any member answer from its own copy, which may be out of date.
    /// - Returns: The entry, or nil if the key does not exist.
    /// - Throws: ``EtcdError``, among its codes `compacted` and `futureRevision`.
    public func get(
        _ key: Key,
        at revision: Revision? = nil,
        serializable: Bool = false
    ) async throws(EtcdError) -> KeyValue? {
        var options = RangeOptions()
        options.revision = revision
        options.serializable = serializable
        return try await range(.key(key), options: options).entries.first
    }

    /// Reads the entries in `range`, all at one revision.
    ///
    /// All of them are in one message; for a range that may be large, see ``entries(in:pageSize:options:)``.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - options: How to read them.
    /// - Returns: The entries, their number, and the store's revision.
    /// - Throws: ``EtcdError``, among its codes `compacted` and `futureRevision`.
    public func range(
        _ range: KeyRange,
        options: RangeOptions = RangeOptions()
    ) async throws(EtcdError) -> RangeResponse {
        if let limit = options.limit, limit <= 0 {
            throw EtcdError(.invalidArgument, "a limit of \(limit) entries; leave it nil for all")
        }
        if let revision = options.revision, revision < 0 {
            throw EtcdError(.invalidArgument, "revision \(revision) is negative")
        }
        let method = options.serializable ? Wire.range.serializable : Wire.range
        return try await call(method, Wire.RangeRequest(range, options), about: "the reading of \(range)")
    }

    /// Puts `value` under `key`.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: Its new value.
    ///   - lease: The lease to attach the key to; nil for none.
    ///   - keepingLease: Keeps the lease that the key has instead; the key must exist.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: The revision that the put has made, in the header, and the entry from before if it was asked for.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`, `leaseNotFound`, `keyNotFound` and `noSpace`.
    @discardableResult
    public func put(
        _ key: Key,
        _ value: Value,
        lease: Lease.ID? = nil,
        keepingLease: Bool = false,
        returningPrevious: Bool = false
    ) async throws(EtcdError) -> PutResponse {
        try await call(
            Wire.put,
            Wire.PutRequest(key, value, lease, keepingLease, returningPrevious),
            about: "the put of key \(key) with \(value.bytes.count) bytes\(lease.map { ", lease \($0)" } ?? "")"
        )
    }

    /// Puts the current value of `key` again, which makes a new version of it and sets its lease.
    ///
    /// - Parameters:
    ///   - key: The key, which must exist.
    ///   - lease: The lease to attach the key to; nil for none.
    ///   - keepingLease: Keeps the lease that the key has instead.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: The revision that the put has made, in the header, and the entry from before if it was asked for.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`, `keyNotFound` and `leaseNotFound`.
    @discardableResult
    public func touch(
        _ key: Key,
        lease: Lease.ID? = nil,
        keepingLease: Bool = false,
        returningPrevious: Bool = false
    ) async throws(EtcdError) -> PutResponse {
        try await call(
            Wire.put,
            Wire.PutRequest(key, nil, lease, keepingLease, returningPrevious),
            about: "the touch of key \(key)\(lease.map { ", lease \($0)" } ?? "")"
        )
    }

    /// Deletes `key`.
    ///
    /// - Parameters:
    ///   - key: The key; it need not exist.
    ///   - returningPrevious: Returns the entry from before.
    /// - Returns: Whether something was deleted, as a count, and the entry from before if it was asked for.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`.
    @discardableResult
    public func delete(_ key: Key, returningPrevious: Bool = false) async throws(EtcdError) -> DeleteResponse {
        try await delete(.key(key), returningPrevious: returningPrevious)
    }

    /// Deletes all keys in `range`.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - returningPrevious: Returns the entries from before.
    /// - Returns: How many entries were deleted, and the entries, if they were asked for.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`.
    @discardableResult
    public func delete(_ range: KeyRange, returningPrevious: Bool = false) async throws(EtcdError) -> DeleteResponse {
        try await call(
            Wire.deleteRange,
            Wire.DeleteRangeRequest(range, returningPrevious),
            about: "the deletion of \(range)"
        )
    }

    /// Compacts the history of the store before `revision`.
    ///
    /// - Parameters:
    ///   - revision: The oldest revision that can be read afterwards.
    ///   - physical: Waits until the member that is asked has removed it from its database.
    /// - Returns: The header of the answer.
    /// - Throws: ``EtcdError``, among its codes `compacted` (it was done before) and `futureRevision`.
    @discardableResult
    public func compact(at revision: Revision, physical: Bool = false) async throws(EtcdError) -> ResponseHeader {
        try await call(Wire.compact, Wire.CompactionRequest(revision: revision.rawValue, physical: physical)).header
    }
}
