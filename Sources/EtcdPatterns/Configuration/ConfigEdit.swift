// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A change of a configuration that is being made: the argument of the closure of ``ConfigManager/change(_:)``.
///
/// Reads return the state in etcd at the time when the closure began. The values that were read must not change before
/// the commit. Writes are made when the closure has returned; reads in the closure see them already.
public struct ConfigEdit: Sendable {
    let content: MirrorView
    let layout: ConfigLayout
    private(set) var reads: Set<Key> = []
    /// The values to write, by the keys within the configuration; nil for a deletion.
    private(set) var writes: [Key: Value?] = [:]

    // MARK: Reading

    /// Reads a value.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: The requested type.
    /// - Returns: The value; nil if there is none.
    /// - Throws: ``ConfigError`` with the code `wrongType` or `invalidKey`.
    public mutating func value<Wanted: ConfigConvertible>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self
    ) throws(ConfigError) -> Wanted? {
        let full = try layout.full(key)
        if let written = writes[key] { return try Wanted.read(written, of: key) }
        reads.insert(full)
        return try Wanted.read(content[full]?.value, of: key)
    }

    // MARK: Writing

    /// Sets a value when the change is committed.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: The value.
    /// - Throws: ``ConfigError`` with the code `invalidKey`, or if the value could not be read back.
    public mutating func set(_ key: Key, _ value: some ConfigConvertible) throws(ConfigError) {
        try write(key, try Self.readable(key, value))
    }

    /// Sets a value to JSON when the change is committed.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - value: The value to encode.
    /// - Throws: ``ConfigError`` with the code `invalidKey`; the error of the encoder.
    public mutating func set(_ key: Key, encoding value: some Encodable) throws {
        try write(key, try Self.encoded(value))
    }

    /// Deletes a value when the change is committed.
    ///
    /// - Parameter key: The key within the configuration; it need not have a value.
    /// - Throws: ``ConfigError`` with the code `invalidKey`.
    public mutating func delete(_ key: Key) throws(ConfigError) { try write(key, nil) }

    /// Sets a value to its stored form, or deletes it.
    mutating func write(_ key: Key, _ value: Value?) throws(ConfigError) {
        _ = try layout.full(key)
        writes.updateValue(value, forKey: key)
    }

    // MARK: Committing

    /// The configuration as it is after the change.
    var result: ConfigView { ConfigView(content, layout).applying(writes) }

    /// The conditions of the change: that the values which were read have not changed, or for a validated state, no value.
    func conditions(isValidated: Bool) -> [Compare] {
        let reads = reads.sorted().map { Compare.Target.modRevision($0) == content[$0]?.modRevision ?? 0 }
        if !isValidated { return [.isMissing(layout.pointer)] + reads }
        let isUnchanged = layout.isUnchanged(since: content)
        return isUnchanged.prefix(max(3, ConfigLayout.maximumConditions - reads.count)) + reads
    }

    // MARK: Stored values

    /// The stored form of a value, if it can be read back, unlike an infinite number.
    static func readable<Written: ConfigConvertible>(_ key: Key, _ value: Written) throws(ConfigError) -> Value {
        _ = try Written.read(value.configValue, of: key)
        return value.configValue
    }

    static func encoded(_ value: some Encodable) throws -> Value {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Value(bytes: Array(try encoder.encode(value)))
    }
}
