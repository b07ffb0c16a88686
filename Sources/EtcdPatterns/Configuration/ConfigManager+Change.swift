// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

// Each change is visible in the manager's own snapshot when it returns, unless the watch lags by more than a call may take.
// With a validator, each is committed only if nothing in the configuration has changed since the state that was validated.
extension ConfigManager {
    /// Sets a value.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration, such as `database/port`.
    ///   - value: The value.
    /// - Returns: The revision of the change.
    /// - Throws: ``ConfigError`` with the code `invalidKey`, or when the validator refuses the result or the value could
    ///   not be read back, after which nothing was changed; ``EtcdError``, among its codes `ambiguous`, and with a
    ///   validator `transactionConflict`.
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
        if follower.options.validate != nil {
            return try await change { edit in try edit.write(key, value) }.revision
        }
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
            let new = try body(try edit.value(key, as: type))
            if let new { try edit.set(key, new) } else { try edit.delete(key) }
            return new
        }.result
    }

    /// Makes several changes at once: all of them, if nobody has changed what was read, or none.
    ///
    /// ```swift
    /// try await config.change { edit in
    ///     let host = try edit.value("database/host", as: String.self)
    ///     try edit.set("database/standby", host ?? "localhost")
    ///     try edit.delete("database/legacy")
    /// }
    /// ```
    ///
    /// If somebody has, `body` runs again, so it may run many times, and should do nothing but compute. With a validator,
    /// that is so if anything in the configuration was changed. A change has at most about 120 values;
    /// ``SnapshotManager/replace(with:expecting:)`` takes any number.
    ///
    /// - Parameter body: Reads and changes values through its argument.
    /// - Returns: What `body` returns, and the revision of the change.
    /// - Throws: What `body` throws; ``ConfigError`` with the code `invalidKey`, or when the validator refuses the result;
    ///   ``EtcdError``, among its codes `transactionConflict` when others were faster again and again, `ambiguous`,
    ///   `tooManyOperations` and `requestTooLarge`.
    @discardableResult
    public func change<Result>(
        _ body: (inout ConfigEdit) async throws -> Result
    ) async throws -> (result: Result, revision: Revision) {
        let limits = AtomicOptions()
        for failures in 0..<limits.maximumAttempts {
            // A cancelled pause is noticed by the next read.
            try? await Task.sleep(for: limits.backoff.delay(afterFailures: max(failures - 1, 0)))
            let content = try await present()
            var edit = ConfigEdit(content, layout)
            let result = try await body(&edit)
            // Without a write, the state is what it was.
            if edit.writes.isEmpty { return (result, content.revision) }
            try check(edit)
            let conditions = edit.conditions(isValidated: follower.options.validate != nil)
            let response = try await client.transaction(if: conditions, then: try edit.operations)
            if !response.succeeded { continue }
            await catchUp(with: response.header.revision)
            return (result, response.header.revision)
        }
        let text = "\"\(name)\" was changed by others meanwhile, \(limits.maximumAttempts) times"
        throw EtcdError(.transactionConflict, text)
    }

    /// The keys as they are in etcd, with no copying pending: it is done first.
    ///
    /// The mirror has them at the price of a small read, unless its watch is broken.
    private func present() async throws -> MirrorView {
        let restorer = Restorer(client: client, layout: layout)
        guard let mirror = feed.read(\.mirror) else { return try await restorer.settled() }
        do throws(EtcdError) {
            let content = try await mirror.consistentView()
            if content[layout.pointer] == nil { return content }
        } catch {
            if [.unavailable, .cancelled, .clientClosed].contains(error.code) { throw error }
        }
        return try await restorer.settled()
    }

    /// Refuses what the validator would refuse.
    private func check(_ edit: ConfigEdit) throws(ConfigError) {
        guard let validate = follower.options.validate else { return }
        do {
            try validate(edit.result)
        } catch {
            throw .refusal(error)
        }
    }
}
