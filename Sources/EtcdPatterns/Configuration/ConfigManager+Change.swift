// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

// Each change is visible in the manager's own view when it returns, unless the watch lags by more than a call may take.
// With a validator, each is committed only if nothing in the configuration has changed since the state that was validated.
extension ConfigManager {
    /// Sets a value.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration, such as `database/port`.
    ///   - value: The value.
    /// - Returns: The revision of the change.
    /// - Throws: ``ConfigError`` with the code `invalidKey`, or when the validator refuses the result or the value could
    ///   not be read back, after which nothing was changed; ``EtcdError``, among its codes `ambiguous`,
    ///   `requestTooLarge`, and with a validator `transactionConflict`.
    @discardableResult
    public func set(_ key: Key, _ value: some ConfigConvertible) async throws -> Revision {
        try await put(key, try ConfigEdit.readable(key, value))
    }

    /// Sets a value to JSON.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: The value to encode.
    /// - Returns: The revision of the change.
    /// - Throws: As ``set(_:_:)``; the error of the encoder.
    @discardableResult
    public func set(_ key: Key, encoding value: some Encodable) async throws -> Revision {
        try await put(key, try ConfigEdit.encoded(value))
    }

    private func put(_ key: Key, _ value: Value) async throws -> Revision {
        let full = try layout.full(key)
        if follower.options.validate != nil {
            return try await change { edit in try edit.write(key, value) }.revision
        }
        let revision: Revision
        do throws(EtcdError) {
            revision = try await client.put(full, value).header.revision
        } catch {
            throw error.naming(full, size: value.bytes.count)
        }
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

    /// Changes a value depending on the old one; no change by others is lost.
    ///
    /// ```swift
    /// let limit = try await config.update("api/limit", as: Int.self) { ($0 ?? 100) * 2 }
    /// ```
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: The type of the value.
    ///   - body: Returns the new value for the old one; nil stands for no value. It may run many times.
    /// - Returns: The new value.
    /// - Throws: As ``change(_:)``.
    @discardableResult
    public func update<Wanted: ConfigConvertible>(
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

    /// Makes several changes at once: all of them, or none.
    ///
    /// ```swift
    /// try await config.change { edit in
    ///     let host = try edit.value("database/host", as: String.self)
    ///     try edit.set("database/standby", host ?? "localhost")
    ///     try edit.delete("database/legacy")
    /// }
    /// ```
    ///
    /// If another client has changed a value that `body` has read, `body` runs again, so it should have no side effects. With
    /// a validator, a change of any value of the configuration counts. A change has at most about 120 values;
    /// ``SnapshotManager/replace(with:expecting:)`` takes any number.
    ///
    /// - Parameter body: Reads and changes values through its argument.
    /// - Returns: The result of `body`, and the revision of the change.
    /// - Throws: The error of `body`; ``ConfigError`` with the code `invalidKey`, or when the validator refuses the
    ///   result; ``EtcdError``, among its codes `transactionConflict` when others were faster 32 times, `ambiguous`,
    ///   `tooManyOperations` and `requestTooLarge`.
    @discardableResult
    public func change<Result>(
        _ body: (inout ConfigEdit) async throws -> Result
    ) async throws -> (result: Result, revision: Revision) {
        let limits = AtomicOptions()
        for failures in 0..<limits.maximumAttempts {
            // The next read notices a cancelled pause.
            try? await Task.sleep(for: limits.backoff.delay(afterFailures: max(failures - 1, 0)))
            let content = try await present()
            var edit = ConfigEdit(content: content, layout: layout)
            let result = try await body(&edit)
            // Without a write, the state has not changed.
            if edit.writes.isEmpty { return (result, content.revision) }
            try follower.options.check(edit.result)
            let conditions = edit.conditions(isValidated: follower.options.validate != nil)
            let operations = try layout.operations(for: edit.writes)
            let response: TransactionResponse
            do throws(EtcdError) {
                response = try await client.transaction(if: conditions, then: operations)
            } catch {
                let sizes = edit.writes.mapValues { $0?.bytes.count ?? 0 }
                guard let largest = sizes.max(by: { $0.value < $1.value }) else { throw error }
                throw error.naming(layout.base + largest.key, size: largest.value)
            }
            if !response.succeeded { continue }
            await catchUp(with: response.header.revision)
            return (result, response.header.revision)
        }
        let text = "\"\(name)\" was changed by others meanwhile, \(limits.maximumAttempts) times"
        throw EtcdError(.transactionConflict, text)
    }

    /// The keys as they are in etcd, after a pending copying, also of a configuration within this one, is completed.
    ///
    /// The mirror has them after a small read, unless its watch is broken.
    private func present() async throws -> MirrorView {
        let restorer = Restorer(client: client, layout: layout)
        guard let mirror = status.withLock({ $0.mirror }) else { return try await restorer.settled() }
        do throws(EtcdError) {
            let content = try await mirror.consistentView()
            if content[layout.pointer] == nil, layout.pendingInside(content).isEmpty { return content }
        } catch {
            if [.unavailable, .cancelled, .clientClosed].contains(error.code) { throw error }
        }
        return try await restorer.settled()
    }
}
