// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A value of a flag's variant, or of an attribute: anything that JSON has, except null.
public enum FlagValue: Sendable, Hashable {
    /// True or false.
    case bool(Bool)
    /// A whole number.
    case int(Int)
    /// Any number; JSON has no infinite ones.
    case double(Double)
    /// A text.
    case string(String)
    /// Several values.
    case array([FlagValue])
    /// Named values.
    case object([String: FlagValue])

    /// The number; nil for other values.
    var number: Double? {
        switch self {
        case .int(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }

    /// The value in a form that is the same for equal values: a whole number is an `int`.
    var normalized: FlagValue {
        if case .double(let number) = self, let whole = Int(exactly: number) { return .int(whole) }
        return self
    }
}

extension FlagValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// Makes a value of `true` or `false`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }

    /// Makes a value of a whole number.
    public init(integerLiteral value: Int) { self = .int(value) }

    /// Makes a value of a number.
    public init(floatLiteral value: Double) { self = .double(value) }

    /// Makes a value of a text.
    public init(stringLiteral value: String) { self = .string(value) }

    /// Makes a value of several.
    public init(arrayLiteral elements: FlagValue...) { self = .array(elements) }

    /// Makes a value of named ones; of equal names, the last counts.
    public init(dictionaryLiteral elements: (String, FlagValue)...) {
        self = .object(Dictionary(elements) { $1 })
    }
}

extension FlagValue: Codable {
    /// How deep values may be nested, so that reading them takes a bounded part of the stack.
    private static let maximumDepth = 32

    /// Reads any JSON but null.
    ///
    /// - Parameter decoder: Where to read.
    /// - Throws: `DecodingError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if decoder.codingPath.count > Self.maximumDepth {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "nested too deeply")
        }
        if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .int(value)
        } else if let value = try? container.decode(Double.self) {
            self = .double(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if container.decodeNil() {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "null is no value of a flag")
        } else if var list = try? decoder.unkeyedContainer() {
            var array: [FlagValue] = []
            while !list.isAtEnd { array.append(try list.decode(FlagValue.self)) }
            self = .array(array)
        } else {
            self = .object(try container.decode([String: FlagValue].self))
        }
    }

    /// Writes the value as JSON.
    ///
    /// - Parameter encoder: Where to write.
    /// - Throws: `EncodingError` for a number that is not finite.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .bool(let value): try container.encode(value)
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

// MARK: - Types that flags can have

/// A type that a flag can have: `Bool`, `Int`, `Double`, `String`, ``FlagValue``, or a type of yours.
///
/// A `Codable` type needs only the conformance; it is decoded at each evaluation.
///
/// ```swift
/// struct Theme: Codable, FlagConvertible { var color: String }
/// ```
public protocol FlagConvertible: Sendable {
    /// Converts the value of a variant; nil if it is of another type.
    ///
    /// - Parameter value: The value of the variant.
    init?(flagValue value: FlagValue)
}

extension FlagConvertible where Self: Decodable {
    /// Decodes the value as JSON; nil if this type cannot be decoded from it.
    public init?(flagValue value: FlagValue) {
        guard let data = try? JSONEncoder().encode(value), let result = try? JSONDecoder().decode(Self.self, from: data)
        else { return nil }
        self = result
    }
}

extension FlagValue: FlagConvertible {
    /// The value itself.
    public init(flagValue value: FlagValue) { self = value }
}

extension Bool: FlagConvertible {
    /// Takes true or false; nil for anything else.
    public init?(flagValue value: FlagValue) {
        guard case .bool(let value) = value else { return nil }
        self = value
    }
}

extension Int: FlagConvertible {
    /// Takes a whole number; nil for anything else.
    public init?(flagValue value: FlagValue) {
        guard case .int(let value) = value.normalized else { return nil }
        self = value
    }
}

extension Double: FlagConvertible {
    /// Takes any number; nil for anything else.
    public init?(flagValue value: FlagValue) {
        guard let value = value.number else { return nil }
        self = value
    }
}

extension String: FlagConvertible {
    /// Takes a text; nil for anything else.
    public init?(flagValue value: FlagValue) {
        guard case .string(let value) = value else { return nil }
        self = value
    }
}
