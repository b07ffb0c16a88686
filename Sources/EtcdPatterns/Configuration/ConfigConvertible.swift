// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A type whose values are stored in a configuration as text that people and other programs can read and write.
///
/// `String`, `Int`, `Double`, `Bool`, `Duration` and `[UInt8]` are such types, and so is an enumeration with one of them
/// as its raw type: `enum Level: String, ConfigConvertible`.
public protocol ConfigConvertible: Sendable {
    /// Reads a stored value.
    ///
    /// - Parameter stored: The value as it is in etcd.
    init?(configValue stored: Value)

    /// The value as it is stored in etcd.
    var configValue: Value { get }
}

extension ConfigConvertible {
    /// Reads the stored value of `key`; nil if there is none.
    static func read(_ stored: Value?, of key: Key) throws(ConfigError) -> Self? {
        guard let stored else { return nil }
        guard let value = Self(configValue: stored) else { throw .wrongType(key, stored, wanted: "\(Self.self)") }
        return value
    }
}

extension ConfigConvertible where Self: RawRepresentable, RawValue: ConfigConvertible {
    /// Reads a stored raw value.
    public init?(configValue stored: Value) {
        guard let rawValue = RawValue(configValue: stored) else { return nil }
        self.init(rawValue: rawValue)
    }

    /// The raw value as it is stored in etcd.
    public var configValue: Value { rawValue.configValue }
}

extension String: ConfigConvertible {
    /// Reads plain text, or a JSON string.
    public init?(configValue stored: Value) {
        guard let text = stored.string else { return nil }
        self = text.unquoted ?? text
    }

    /// The plain text; a JSON string if it begins with a quotation mark, so that it is read back unchanged.
    public var configValue: Value {
        guard hasPrefix("\""), let json = try? JSONEncoder().encode(self) else { return Value(self) }
        return Value(bytes: Array(json))
    }

    /// The string that the text stands for as JSON; nil if it is not a JSON string.
    fileprivate var unquoted: String? {
        guard utf8.count >= 2, hasPrefix("\""), hasSuffix("\"") else { return nil }
        return try? JSONDecoder().decode(String.self, from: Data(utf8))
    }
}

extension Int: ConfigConvertible {
    /// Reads decimal digits, such as `5432`.
    public init?(configValue stored: Value) {
        guard let text = stored.scalar, let number = Int(text) else { return nil }
        self = number
    }

    /// The decimal digits.
    public var configValue: Value { Value(String(self)) }
}

extension Double: ConfigConvertible {
    /// Reads a decimal number, such as `0.5` or `1e-3`.
    public init?(configValue stored: Value) {
        // Not the words and hexadecimal digits that Swift accepts too.
        guard let text = stored.scalar, text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }),
            let number = Double(text), number.isFinite
        else { return nil }
        self = number
    }

    /// The shortest decimal number that is read as this one.
    public var configValue: Value { Value(String(self)) }
}

extension Bool: ConfigConvertible {
    /// Reads `true` or `false`, in small or capital letters.
    public init?(configValue stored: Value) {
        switch stored.scalar?.lowercased() {
        case "true": self = true
        case "false": self = false
        default: return nil
        }
    }

    /// `true` or `false`.
    public var configValue: Value { self ? "true" : "false" }
}

extension Duration: ConfigConvertible {
    /// Reads a time such as `1h30m`, `2.5s` or `250ms`, as Go writes it; a plain number is one of seconds.
    public init?(configValue stored: Value) {
        guard let text = stored.scalar, let duration = DurationText.parse(text) else { return nil }
        self = duration
    }

    /// The time in seconds, such as `90s` or `0.25s`.
    public var configValue: Value { Value(DurationText.format(self)) }
}

extension [UInt8]: ConfigConvertible {
    /// Takes any bytes.
    public init?(configValue stored: Value) { self = stored.bytes }

    /// The bytes.
    public var configValue: Value { Value(bytes: self) }
}

extension Value {
    /// The text of a number or the like: without JSON's quotation marks and the space around it.
    fileprivate var scalar: String? {
        guard let text = string?.trimmingCharacters(in: .whitespacesAndNewlines) else { return nil }
        return text.unquoted ?? text
    }
}
