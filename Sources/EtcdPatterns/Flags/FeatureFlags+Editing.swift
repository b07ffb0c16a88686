// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension FeatureFlags {
    /// Switches a flag on: from now on, it is what its rules say.
    ///
    /// A flag that does not exist is created, on for everybody. When this returns, flags here are up to date.
    ///
    /// - Parameter name: The name of the flag.
    /// - Throws: ``FlagError`` when there is a definition that cannot be read; ``EtcdError``.
    public func enable(_ name: String) async throws {
        try await edit(name, orElse: FeatureFlag()) { $0.isEnabled = true }
    }

    /// Switches a flag off for everybody, whatever its rules say, which it keeps.
    ///
    /// A flag that does not exist is created, off. When this returns, flags here are up to date.
    ///
    /// - Parameter name: The name of the flag.
    /// - Throws: ``FlagError`` when there is a definition that cannot be read; ``EtcdError``.
    public func disable(_ name: String) async throws {
        try await edit(name, orElse: FeatureFlag()) { $0.isEnabled = false }
    }

    /// Defines a flag, whatever it was before.
    ///
    /// When this returns, flags here are up to date.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - flag: Its definition.
    /// - Throws: ``FlagError`` when there is a mistake in the definition, or it requires flags that do not exist, or
    ///   require it; ``EtcdError``.
    public func set(_ name: String, to flag: FeatureFlag) async throws {
        let key = try key(of: name)
        try check(flag, name)
        try await client.put(key, try flag.stored(as: name))
        await catchUp()
    }

    /// Changes the definition of a flag, if nobody else has changed it meanwhile, and else again.
    ///
    /// ```swift
    /// try await flags.update("new-ui") { $0.serving = .percentage(50) }
    /// ```
    ///
    /// When this returns, flags here are up to date.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - change: Changes the definition; it may run many times.
    /// - Returns: The new definition.
    /// - Throws: What `change` throws; ``FlagError``, among its codes `flagNotFound`, when the old definition cannot be
    ///   read, or there is a mistake in the new one; ``EtcdError``.
    @discardableResult
    public func update(_ name: String, _ change: (inout FeatureFlag) throws -> Void) async throws -> FeatureFlag {
        try await edit(name, orElse: nil) { flag in
            let old = flag
            try change(&flag)
            if flag != old { try check(flag, name) }
        }
    }

    /// Removes a flag.
    ///
    /// When this returns, flags here are up to date.
    ///
    /// - Parameter name: The name of the flag.
    /// - Returns: Whether there was one.
    /// - Throws: ``EtcdError``.
    @discardableResult
    public func remove(_ name: String) async throws(EtcdError) -> Bool {
        let response = try await client.delete(try key(of: name))
        await catchUp()
        return response.deleted > 0
    }

    private func key(of flag: String) throws(EtcdError) -> Key {
        if flag.isEmpty { throw EtcdError(.emptyKey, "the name of the flag is empty") }
        let key = name + "/" + Key(flag)
        try key.checkName(of: "flag")
        return key
    }

    private func check(_ flag: FeatureFlag, _ name: String) throws(FlagError) {
        if let error = snapshot.error(of: try CompiledFlag(flag, name: name)) { throw error }
    }

    @discardableResult
    private func edit(
        _ name: String,
        orElse missing: FeatureFlag?,
        _ change: (inout FeatureFlag) throws -> Void
    ) async throws -> FeatureFlag {
        let key = try key(of: name)
        let result = try await client.atomically { transaction in
            let value = try await transaction.get(key)?.value
            let old = try value.map { value throws(FlagError) in try FeatureFlag(value, of: name) }
            guard var flag = old ?? missing else { throw FlagError(name, .flagNotFound, "there is no such flag") }
            try change(&flag)
            if flag != old { transaction.put(key, try flag.stored(as: name)) }
            return flag
        }
        await catchUp()
        return result
    }

    /// Waits until what was written is known here, which may be not in time: the write itself is done.
    private func catchUp() async { _ = try? await mirror.consistentSnapshot() }
}
