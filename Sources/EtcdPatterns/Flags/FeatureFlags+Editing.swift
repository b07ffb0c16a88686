// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension FeatureFlags {
    /// Switches a flag on: from now on, its rules apply.
    ///
    /// A flag that does not exist is created, on for everybody.
    ///
    /// - Parameter name: The name of the flag.
    /// - Throws: ``FlagError`` when there is a definition that cannot be read; ``EtcdError``.
    public func enable(_ name: String) async throws {
        try await edit(name, orElse: FeatureFlag()) { $0.isEnabled = true }
    }

    /// Switches a flag off for everybody; it keeps its rules.
    ///
    /// A flag that does not exist is created, off.
    ///
    /// - Parameter name: The name of the flag.
    /// - Throws: ``FlagError`` when there is a definition that cannot be read; ``EtcdError``.
    public func disable(_ name: String) async throws {
        try await edit(name, orElse: FeatureFlag()) { $0.isEnabled = false }
    }

    /// Defines a flag, and replaces the previous definition.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - flag: Its definition.
    /// - Throws: ``FlagError`` when there is a mistake in the definition, or it requires flags that do not exist, or
    ///   require it; ``EtcdError``.
    public func set(_ name: String, to flag: FeatureFlag) async throws {
        let key = try key(of: name)
        let value = try flag.stored(as: name)
        do {
            try await client.atomically { transaction in
                try await check(flag, name, &transaction)
                transaction.put(key, value)
            }
        } catch let error as EtcdError {
            throw error.naming(key, size: value.bytes.count)
        }
        await catchUp()
    }

    /// Changes the definition of a flag; if another client has changed it meanwhile, the change is made again.
    ///
    /// ```swift
    /// try await flags.update("new-ui") { $0.serving = .percentage(50) }
    /// ```
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - change: Changes the definition; it may run many times.
    /// - Returns: The new definition.
    /// - Throws: The error of `change`; ``FlagError``, among its codes `flagNotFound`, when the old definition cannot
    ///   be read, or there is a mistake in the new one; ``EtcdError``.
    @discardableResult
    public func update(_ name: String, _ change: (inout FeatureFlag) throws -> Void) async throws -> FeatureFlag {
        try await edit(name, orElse: nil, isChecked: true, change)
    }

    /// Removes a flag.
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
        let key = prefix + Key(flag)
        try key.checkName(of: "flag")
        return key
    }

    /// Refuses a definition with a mistake, or with prerequisites that cannot be met.
    ///
    /// The transaction reads all flags that it requires, directly or not, so they are conditions of its commit. If two
    /// concurrent edits would together make a circle, one of them is repeated, and finds the circle.
    private func check(_ flag: FeatureFlag, _ name: String, _ transaction: inout AtomicTransaction) async throws {
        let compiled = try CompiledFlag(flag, name: name)
        if let mistake = compiled.mistake { throw mistake }
        var required = [name: compiled.prerequisites.map(\.flag)]
        var seen: Set<String> = [name]
        var open = required[name] ?? []
        while let other = open.popLast() {
            guard seen.insert(other).inserted else { continue }
            if seen.count > PrerequisiteCheck.maximumVisits {
                throw FlagError(name, .prerequisite, PrerequisiteCheck.tooMany)
            }
            guard let value = try await transaction.get(prefix + Key(other))?.value else { continue }
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
        var size = 0
        do {
            let result = try await client.atomically { transaction in
                let value = try await transaction.get(key)?.value
                let old = try value.map { value throws(FlagError) in try FeatureFlag(value, of: name) }
                guard var flag = old ?? missing else { throw FlagError(name, .flagNotFound, "there is no such flag") }
                try change(&flag)
                if flag != old {
                    let value = try flag.stored(as: name)
                    size = value.bytes.count
                    if isChecked { try await check(flag, name, &transaction) }
                    transaction.put(key, value)
                }
                return flag
            }
            await catchUp()
            return result
        } catch let error as EtcdError {
            throw error.naming(key, size: size)
        }
    }

    /// Waits until this process has the write; an error does not matter, since the write is done.
    private func catchUp() async { _ = try? await mirror.consistentView() }
}
