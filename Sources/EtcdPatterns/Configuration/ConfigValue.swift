// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A type whose values stand in a configuration as text that people and other programs can read and write.
///
/// `String`, `Int`, `Double`, `Bool`, `Duration` and `[UInt8]` are such types, and so is an enumeration with one of them
/// as its raw type: `enum Level: String, ConfigValue`.
public protocol ConfigValue: Sendable {
    /// Reads a stored value.
    ///
    /// - Parameter stored: The value as it is in etcd.
    init?(stored: Value)

    /// The value as it is stored in etcd.
    var stored: Value { get }
}

extension ConfigValue where Self: RawRepresentable, RawValue: ConfigValue {
    /// Reads a stored raw value.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        guard let rawValue = RawValue(stored: stored) else { return nil }
        self.init(rawValue: rawValue)
    }

    /// The raw value as it is stored in etcd.
    public var stored: Value { rawValue.stored }
}

extension String: ConfigValue {
    /// Reads plain text, or a JSON string.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        guard let text = stored.string else { return nil }
        self = text.unquoted ?? text
    }

    /// The plain text; a JSON string if it begins with a quotation mark, so that it is read as it is.
    public var stored: Value {
        guard hasPrefix("\""), let json = try? JSONEncoder().encode(self) else { return Value(self) }
        return Value(bytes: Array(json))
    }

    /// The string that the text is in JSON; nil if it is none.
    fileprivate var unquoted: String? {
        guard utf8.count >= 2, hasPrefix("\""), hasSuffix("\"") else { return nil }
        return try? JSONDecoder().decode(String.self, from: Data(utf8))
    }
}

extension Int: ConfigValue {
    /// Reads decimal digits, such as `5432`.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        guard let text = stored.scalar, let number = Int(text) else { return nil }
        self = number
    }

    /// The decimal digits.
    public var stored: Value { Value(String(self)) }
}

extension Double: ConfigValue {
    /// Reads a decimal number, such as `0.5` or `1e-3`.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        // Not the words and hexadecimal digits that Swift knows too.
        guard let text = stored.scalar, text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }),
            let number = Double(text), number.isFinite
        else { return nil }
        self = number
    }

    /// The shortest decimal number that is read as this one.
    public var stored: Value { Value(String(self)) }
}

extension Bool: ConfigValue {
    /// Reads `true` or `false`, in small or capital letters.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        switch stored.scalar?.lowercased() {
        case "true": self = true
        case "false": self = false
        default: return nil
        }
    }

    /// `true` or `false`.
    public var stored: Value { self ? "true" : "false" }
}

extension Duration: ConfigValue {
    /// Reads a time such as `1h30m`, `2.5s` or `250ms`, as Go writes it; a plain number is one of seconds.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) {
        guard let text = stored.scalar, let duration = DurationText.parse(text) else { return nil }
        self = duration
    }

    /// The time in seconds, such as `90s` or `0.25s`.
    public var stored: Value { Value(DurationText.format(self)) }
}

extension [UInt8]: ConfigValue {
    /// Takes all bytes as they are.
    ///
    /// - Parameter stored: The value as it is in etcd.
    public init?(stored: Value) { self = stored.bytes }

    /// The bytes.
    public var stored: Value { Value(bytes: self) }
}

extension Value {
    /// The text of a number or the like: without JSON's quotation marks and the space around it.
    fileprivate var scalar: String? {
        guard let text = string?.trimmingCharacters(in: .whitespacesAndNewlines) else { return nil }
        return text.unquoted ?? text
    }
}
