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
        let value = try flag.stored(as: name)
        try await client.atomically { transaction in
            try await check(flag, name, &transaction)
            transaction.put(key, value)
        }
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
        try await edit(name, orElse: nil, isChecked: true, change)
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

    /// Refuses a definition with a mistake, or with prerequisites that cannot be met.
    ///
    /// All flags that it requires, directly or not, are read by the transaction, and so are conditions of its commit. Of
    /// two edits at the same time that would make a circle together, one is repeated, and finds it.
    private func check(_ flag: FeatureFlag, _ name: String, _ transaction: inout AtomicTransaction) async throws {
        let compiled = try CompiledFlag(flag, name: name)
        if let mistake = compiled.mistake { throw mistake }
        var required = [name: compiled.prerequisites.map(\.flag)]
        var seen: Set<String> = [name]
        var open = required[name] ?? []
        while let other = open.popLast() {
            guard seen.insert(other).inserted else { continue }
            if seen.count > PrerequisiteCheck.maximumVisits { throw PrerequisiteCheck.requiresTooMany(name) }
            guard let value = try await transaction.get(self.name + "/" + Key(other))?.value else { continue }
            let prerequisites = FlagDefinition(value, name: other).prerequisites
            required[other] = prerequisites
            open += prerequisites
        }
        if let error = PrerequisiteCheck.error(of: name, { required[$0] }) { throw error }
    }

    @discardableResult
    private func edit(
        _ name: String,
        orElse missing: FeatureFlag?,
        isChecked: Bool = false,
        _ change: (inout FeatureFlag) throws -> Void
    ) async throws -> FeatureFlag {
        let key = try key(of: name)
        let result = try await client.atomically { transaction in
            let value = try await transaction.get(key)?.value
            let old = try value.map { value throws(FlagError) in try FeatureFlag(value, of: name) }
            guard var flag = old ?? missing else { throw FlagError(name, .flagNotFound, "there is no such flag") }
            try change(&flag)
            if flag != old {
                let value = try flag.stored(as: name)
                if isChecked { try await check(flag, name, &transaction) }
                transaction.put(key, value)
            }
            return flag
        }
        await catchUp()
        return result
    }

    /// Waits until what was written is known here, which may be not in time: the write itself is done.
    private func catchUp() async { _ = try? await mirror.consistentView() }
}
