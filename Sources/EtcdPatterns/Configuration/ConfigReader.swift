// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// Typed reads of a configuration: of a ``ConfigSnapshot``, or of what a ``ConfigManager`` has at the moment.
///
/// Each getter has three forms: `int("port")` throws where there is no value, `int("port", default: 80)` does not, and
/// `value("port", as: Int.self)` is nil then. All throw where there is a value that is not of the type: a default never
/// hides a mistake.
public protocol ConfigReader: Sendable {
    /// The state to read from.
    var snapshot: ConfigSnapshot { get }
}

extension ConfigReader {
    /// The stored value of `key`; nil if there is none.
    public subscript(key: Key) -> Value? { snapshot.stored(key) }

    /// Reads a value that need not be there.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration, such as `database/port`.
    ///   - type: The wanted type.
    /// - Returns: The value; nil if there is none.
    /// - Throws: ``ConfigError`` with the code `wrongType`.
    public func value<Wanted: ConfigValue>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self
    ) throws(ConfigError) -> Wanted? {
        guard let stored = self[key] else { return nil }
        guard let value = Wanted(stored: stored) else {
            throw .wrongType(key, stored, wanted: "\(type)")
        }
        return value
    }

    private func require<Wanted: ConfigValue>(_ key: Key, _ fallback: Wanted?) throws(ConfigError) -> Wanted {
        if let value = try value(key, as: Wanted.self) ?? fallback { return value }
        throw .missing(key)
    }

    /// Reads text.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The text, without the quotation marks of a JSON string.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`.
    public func string(_ key: Key, default fallback: String? = nil) throws(ConfigError) -> String {
        try require(key, fallback)
    }

    /// Reads a whole number.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The number.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`.
    public func int(_ key: Key, default fallback: Int? = nil) throws(ConfigError) -> Int {
        try require(key, fallback)
    }

    /// Reads a number.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The number, which is finite.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`.
    public func double(_ key: Key, default fallback: Double? = nil) throws(ConfigError) -> Double {
        try require(key, fallback)
    }

    /// Reads `true` or `false`.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The truth value.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`.
    public func bool(_ key: Key, default fallback: Bool? = nil) throws(ConfigError) -> Bool {
        try require(key, fallback)
    }

    /// Reads a time, such as `1m30s`; a plain number is one of seconds.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The time.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`.
    public func duration(_ key: Key, default fallback: Duration? = nil) throws(ConfigError) -> Duration {
        try require(key, fallback)
    }

    /// Reads the bytes of a value, whatever they are.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: The bytes.
    /// - Throws: ``ConfigError`` with the code `missing`.
    public func bytes(_ key: Key, default fallback: [UInt8]? = nil) throws(ConfigError) -> [UInt8] {
        try require(key, fallback)
    }

    /// Reads a value that is JSON.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: What to decode.
    ///   - fallback: What to return if there is no value; nil to throw.
    /// - Returns: What was decoded.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`, whose cause is the decoder's error.
    public func decode<Wanted: Decodable>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self,
        default fallback: Wanted? = nil
    ) throws(ConfigError) -> Wanted {
        guard let stored = self[key] else {
            if let fallback { return fallback }
            throw .missing(key)
        }
        do {
            return try JSONDecoder().decode(type, from: Data(stored.bytes))
        } catch {
            throw .wrongType(key, stored, wanted: "the JSON of \(type)", cause: error)
        }
    }

    /// The stored values of a part of the configuration.
    ///
    /// - Parameter part: A key; what counts is its own value, and those under `<part>/`. Nil for all.
    /// - Returns: The values, by their keys within the configuration.
    public func values(under part: Key? = nil) -> [Key: Value] {
        let entries = snapshot.entries(under: part).map { ($0.key, $0.value) }
        return Dictionary(entries) { $1 }
    }
}
