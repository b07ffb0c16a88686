// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A change of a configuration under way: what ``ConfigManager/change(_:)`` lends to its closure.
///
/// Reads go to etcd; what was read must not have changed before the commit. Writes are kept until the closure has
/// returned; reads see them before.
public struct ConfigEdit: Sendable {
    private(set) var transaction: AtomicTransaction
    /// What is to be written; nil for a deletion.
    private(set) var writes: [Key: Value?] = [:]
    private let layout: ConfigLayout

    /// A state is in effect that is not in the plain keys yet, which must be first.
    struct Pending: Error {}

    init(_ transaction: AtomicTransaction, _ layout: ConfigLayout) {
        self.transaction = transaction
        self.layout = layout
    }

    /// Makes it a condition that the plain keys are what counts.
    mutating func begin() async throws {
        if try await transaction.get(layout.pointer) != nil { throw Pending() }
    }

    /// Leaves a trace of deletions.
    mutating func end() {
        let deleted = writes.filter { $0.value == nil }.keys.max()
        if let deleted { transaction.put(layout.deletion, Value(bytes: deleted.bytes)) }
    }

    // MARK: Reading

    /// Reads a value.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: The wanted type.
    /// - Returns: The value; nil if there is none.
    /// - Throws: ``ConfigError`` with the code `wrongType` or `invalidKey`; ``EtcdError``, which is to be let pass.
    public mutating func value<Wanted: ConfigValue>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self
    ) async throws -> Wanted? {
        guard let stored = try await transaction.get(try layout.full(key))?.value else { return nil }
        guard let value = Wanted(stored: stored) else { throw ConfigError.wrongType(key, stored, wanted: "\(type)") }
        return value
    }

    // MARK: Writing

    /// Sets a value when the change is committed.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: The value.
    /// - Throws: ``ConfigError`` with the code `invalidKey`, or if the value could not be read back.
    public mutating func set(_ key: Key, _ value: some ConfigValue) throws(ConfigError) {
        try put(key, try Self.readable(key, value))
    }

    /// Sets a value to JSON when the change is committed.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: What to encode.
    /// - Throws: ``ConfigError`` with the code `invalidKey`; what the encoder throws.
    public mutating func set(_ key: Key, encoding value: some Encodable) throws {
        try put(key, try Self.encoded(value))
    }

    /// Deletes a value when the change is committed.
    ///
    /// - Parameter key: The key within the configuration; it need not have a value.
    /// - Throws: ``ConfigError`` with the code `invalidKey`.
    public mutating func delete(_ key: Key) throws(ConfigError) {
        transaction.delete(try layout.full(key))
        writes.updateValue(nil, forKey: key)
    }

    private mutating func put(_ key: Key, _ value: Value) throws(ConfigError) {
        transaction.put(try layout.full(key), value)
        writes.updateValue(value, forKey: key)
    }

    // MARK: Stored values

    /// The stored form of a value, if it can be read back, unlike an infinite number.
    static func readable<Written: ConfigValue>(_ key: Key, _ value: Written) throws(ConfigError) -> Value {
        let stored = value.stored
        guard Written(stored: stored) != nil else { throw .wrongType(key, stored, wanted: "\(Written.self)") }
        return stored
    }

    static func encoded(_ value: some Encodable) throws -> Value {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Value(bytes: Array(try encoder.encode(value)))
    }
}
