// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// Typed reads of a configuration: of a ``ConfigView``, or of the current view of a ``ConfigManager``.
///
/// There are two getters for each type, whose parameter is the key within the configuration, such as `database/port`:
///
/// - `try config.int("port")` throws ``ConfigError`` with the code `missing` if there is no value, and with the code
///   `wrongType` if it is of another type.
/// - `config.int("port", default: 80)` never throws. It returns the default in both cases. A value of another type is a
///   mistake nevertheless: the manager reports it by its `onEvent`, and a validator that reads it refuses the state.
///
/// `try config.value("port", as: Int.self)` is nil if there is no value.
public protocol ConfigReading: Sendable {
    /// The state to read from.
    var view: ConfigView { get }
}

extension ConfigReading {
    /// The stored value of `key`; nil if there is none.
    public subscript(key: Key) -> Value? { view.stored(key) }

    /// Reads a value that may be missing.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration, such as `database/port`.
    ///   - type: The requested type.
    /// - Returns: The value; nil if there is none.
    /// - Throws: ``ConfigError`` with the code `wrongType`.
    public func value<Wanted: ConfigConvertible>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self
    ) throws(ConfigError) -> Wanted? {
        try Wanted.read(self[key], of: key)
    }

    private func require<Wanted: ConfigConvertible>(_ key: Key) throws(ConfigError) -> Wanted {
        guard let value = try value(key, as: Wanted.self) else { throw .missing(key) }
        return value
    }

    private func value<Wanted: ConfigConvertible>(_ key: Key, default fallback: Wanted) -> Wanted {
        view.recover(from: { () throws(ConfigError) in try value(key, as: Wanted.self) }) ?? fallback
    }

    /// Reads text, without the quotation marks of a JSON string.
    public func string(_ key: Key) throws(ConfigError) -> String { try require(key) }

    /// Reads text, or returns `fallback` if there is none.
    public func string(_ key: Key, default fallback: String) -> String { value(key, default: fallback) }

    /// Reads a whole number.
    public func int(_ key: Key) throws(ConfigError) -> Int { try require(key) }

    /// Reads a whole number, or returns `fallback` if there is none.
    public func int(_ key: Key, default fallback: Int) -> Int { value(key, default: fallback) }

    /// Reads a number, which is finite.
    public func double(_ key: Key) throws(ConfigError) -> Double { try require(key) }

    /// Reads a number, or returns `fallback` if there is none.
    public func double(_ key: Key, default fallback: Double) -> Double { value(key, default: fallback) }

    /// Reads `true` or `false`.
    public func bool(_ key: Key) throws(ConfigError) -> Bool { try require(key) }

    /// Reads `true` or `false`, or returns `fallback` if there is neither.
    public func bool(_ key: Key, default fallback: Bool) -> Bool { value(key, default: fallback) }

    /// Reads a duration, such as `1m30s`; a plain number is one of seconds.
    public func duration(_ key: Key) throws(ConfigError) -> Duration { try require(key) }

    /// Reads a duration, or returns `fallback` if there is none.
    public func duration(_ key: Key, default fallback: Duration) -> Duration { value(key, default: fallback) }

    /// Reads the bytes of any value.
    public func bytes(_ key: Key) throws(ConfigError) -> [UInt8] { try require(key) }

    /// Reads the bytes of any value, or returns `fallback` if there is none.
    public func bytes(_ key: Key, default fallback: [UInt8]) -> [UInt8] { value(key, default: fallback) }

    /// Decodes a value that is JSON.
    ///
    /// - Parameters:
    ///   - key: The key within the configuration.
    ///   - type: The type to decode.
    /// - Returns: The decoded value.
    /// - Throws: ``ConfigError`` with the code `missing` or `wrongType`, whose cause is the decoder's error.
    public func decode<Wanted: Decodable>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self
    ) throws(ConfigError) -> Wanted {
        guard let stored = self[key] else { throw .missing(key) }
        do {
            return try JSONDecoder().decode(type, from: Data(stored.bytes))
        } catch {
            throw .wrongType(key, stored, wanted: "the JSON of \(type)", cause: error)
        }
    }

    /// Decodes a value that is JSON, or returns `fallback` if there is none.
    public func decode<Wanted: Decodable>(
        _ key: Key,
        as type: Wanted.Type = Wanted.self,
        default fallback: Wanted
    ) -> Wanted {
        view.recover(from: { () throws(ConfigError) in try decode(key, as: type) }) ?? fallback
    }

    /// The stored values of a part of the configuration.
    ///
    /// - Parameter part: A key, which stands for its own value and those under `<part>/`; nil for all.
    /// - Returns: The values, by their keys within the configuration.
    public func values(under part: Key? = nil) -> [Key: Value] {
        Dictionary(view.entries(under: part).map { ($0.key, $0.value) }) { $1 }
    }
}
