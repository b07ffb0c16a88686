// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

// Each change is visible in the manager's own snapshot when it returns, unless the watch lags by more than a call may take.
extension ConfigManager {
    /// Sets a value.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration, such as `database/port`.
    ///   - value: The value.
    /// - Returns: The revision of the change.
    /// - Throws: ``ConfigError`` with the code `invalidKey`, or when the validator refuses the result or the value could
    ///   not be read back, after which nothing was changed; ``EtcdError``, among its codes `ambiguous`.
    @discardableResult
    public func set(_ key: Key, _ value: some ConfigValue) async throws -> Revision {
        try await put(key, try ConfigEdit.readable(key, value))
    }

    /// Sets a value to JSON.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: What to encode.
    /// - Returns: The revision of the change.
    /// - Throws: As ``set(_:_:)``; what the encoder throws.
    @discardableResult
    public func set(_ key: Key, encoding value: some Encodable) async throws -> Revision {
        try await put(key, try ConfigEdit.encoded(value))
    }

    private func put(_ key: Key, _ value: Value) async throws -> Revision {
        let full = try layout.full(key)
        try check([key: value])
        let revision = try await client.put(full, value).header.revision
        await catchUp(with: revision)
        return revision
    }

    /// Deletes a value.
    ///
    /// - Parameter key: The key within the configuration; it need not have a value.
    /// - Returns: The revision of the change.
    /// - Throws: As ``set(_:_:)``.
    @discardableResult
    public func delete(_ key: Key) async throws -> Revision {
        try await change { try $0.delete(key) }.revision
    }

    /// Changes a value depending on what it is; others' changes are not lost.
    ///
    /// ```swift
    /// let limit = try await config.update("api/limit", as: Int.self) { ($0 ?? 100) * 2 }
    /// ```
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: The type of the value.
    ///   - body: Returns the new value for the old one, either nil for none. It may run many times.
    /// - Returns: The new value.
    /// - Throws: As ``change(_:)``.
    @discardableResult
    public func update<Wanted: ConfigValue>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self,
        _ body: (Wanted?) throws -> Wanted?
    ) async throws -> Wanted? {
        try await change { edit in
            let new = try body(try await edit.value(key, as: type))
            if let new { try edit.set(key, new) } else { try edit.delete(key) }
            return new
        }.result
    }

    /// Makes several changes at once: all of them, if nobody has changed what was read, or none.
    ///
    /// ```swift
    /// try await config.change { edit in
    ///     let host = try await edit.value("database/host", as: String.self)
    ///     try edit.set("database/standby", host ?? "localhost")
    ///     try edit.delete("database/legacy")
    /// }
    /// ```
    ///
    /// If somebody has, `body` runs again, so it may run many times, and should do nothing but compute. A change has at
    /// most about 120 values; ``SnapshotManager/replace(with:expecting:)`` takes any number.
    ///
    /// - Parameter body: Reads and changes values through its argument.
    /// - Returns: What `body` returns, and the revision of the change.
    /// - Throws: What `body` throws; ``ConfigError`` with the code `invalidKey`, or when the validator refuses the result;
    ///   ``EtcdError``, among its codes `transactionConflict`, `ambiguous`, `tooManyOperations` and `requestTooLarge`.
    @discardableResult
    public func change<Result>(
        _ body: (inout ConfigEdit) async throws -> Result
    ) async throws -> (result: Result, revision: Revision) {
        while true {
            do {
                let (result, committed) = try await client.atomicallyCommitting { transaction in
                    var edit = ConfigEdit(transaction, layout)
                    defer { transaction = edit.transaction }
                    try await edit.begin()
                    let result = try await body(&edit)
                    try check(edit.writes)
                    edit.end()
                    return result
                }
                // Without a write, the state is what it was.
                guard let committed else { return (result, snapshot.revision) }
                await catchUp(with: committed)
                return (result, committed)
            } catch is ConfigEdit.Pending {
                // A large restoration is in effect, but not in the plain keys.
                _ = try await Restorer(client: client, layout: layout).settled()
            }
        }
    }

    /// Refuses what the validator would refuse.
    private func check(_ writes: [Key: Value?]) throws(ConfigError) {
        guard let validate = follower.options.validate, !writes.isEmpty else { return }
        do {
            try validate(snapshot.applying(writes))
        } catch {
            throw .refusal(error)
        }
    }
}
