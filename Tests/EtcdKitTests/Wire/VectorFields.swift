// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The fields of a message in a test vector, by the names that `scripts/etcd-fields.txt` gives them.
///
/// Nothing here knows a field number.
struct VectorFields {
    private var values: [String: Any]

    init(_ values: [String: Any]) {
        self.values = values
    }

    /// The names that nobody has taken.
    var rest: [String] { values.keys.sorted() }

    private mutating func take<Raw>(_ name: String, as _: Raw.Type) throws -> Raw? {
        guard let value = values.removeValue(forKey: name) else { return nil }
        guard let value = value as? Raw else { throw Mistake("\(name) is not \(Raw.self): \(value)") }
        return value
    }

    private static func number<Number: LosslessStringConvertible>(_ text: String) throws -> Number {
        guard let number = Number(text) else { throw Mistake("not \(Number.self): \(text)") }
        return number
    }

    // MARK: Each of these leaves its target as it is where the field is absent

    mutating func take(_ name: String, _ target: inout Int64) throws {
        if let text = try take(name, as: String.self) { target = try Self.number(text) }
    }

    mutating func take(_ name: String, _ target: inout UInt64) throws {
        if let text = try take(name, as: String.self) { target = try Self.number(text) }
    }

    mutating func take(_ name: String, _ target: inout UInt32) throws {
        if let number = try take(name, as: UInt32.self) { target = number }
    }

    mutating func take(_ name: String, _ target: inout Bool) throws {
        if let flag = try take(name, as: Bool.self) { target = flag }
    }

    mutating func take(_ name: String, _ target: inout String) throws {
        if let text = try take(name, as: String.self) { target = text }
    }

    mutating func take(_ name: String, _ target: inout [UInt8]) throws {
        if let hex = try take(name, as: String.self) { target = try [UInt8](hexDigits: hex) }
    }

    mutating func take<Enum: ProtobufEnum>(_ name: String, _ target: inout Enum) throws {
        if let number = try take(name, as: Int32.self) { target = Enum(rawValue: number) }
    }

    mutating func take<Message: VectorMessage>(_ name: String, _ target: inout Message) throws {
        if let values = try take(name, as: [String: Any].self) { target = try Message(vector: values) }
    }

    mutating func take(_ name: String, _ target: inout Int64?) throws {
        if let text = try take(name, as: String.self) { target = try Self.number(text) as Int64 }
    }

    mutating func take(_ name: String, _ target: inout [UInt8]?) throws {
        if let hex = try take(name, as: String.self) { target = try [UInt8](hexDigits: hex) }
    }

    mutating func take<Message: VectorMessage>(_ name: String, _ target: inout Message?) throws {
        if let values = try take(name, as: [String: Any].self) { target = try Message(vector: values) }
    }

    mutating func take(_ name: String, _ target: inout [String]) throws {
        if let texts = try take(name, as: [String].self) { target = texts }
    }

    mutating func take(_ name: String, _ target: inout [[UInt8]]) throws {
        if let hexes = try take(name, as: [String].self) { target = try hexes.map([UInt8].init(hexDigits:)) }
    }

    mutating func take<Enum: ProtobufEnum>(_ name: String, _ target: inout [Enum]) throws {
        if let numbers = try take(name, as: [Int32].self) { target = numbers.map(Enum.init) }
    }

    mutating func take<Message: VectorMessage>(_ name: String, _ target: inout [Message]) throws {
        if let list = try take(name, as: [[String: Any]].self) { target = try list.map(Message.init(vector:)) }
    }
}

extension VectorMessage {
    /// The message with these fields.
    init(vector values: [String: Any]) throws {
        self.init()
        var fields = VectorFields(values)
        try setFields(from: &fields)
        if !fields.rest.isEmpty { throw Mistake("\(Self.self) has no \(fields.rest)") }
    }
}

/// An error in the vectors themselves.
struct Mistake: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension [UInt8] {
    /// Two hexadecimal digits for each byte.
    var hexDigits: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    /// The bytes that `digits` spell, two each.
    init(hexDigits digits: String) throws {
        let digits = Array<UInt8>(digits.utf8)
        guard digits.count.isMultiple(of: 2) else { throw Mistake("an odd number of hexadecimal digits") }
        self = try stride(from: 0, to: digits.count, by: 2).map { index in
            let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
            guard let byte = UInt8(pair, radix: 16) else { throw Mistake("not hexadecimal: \(pair)") }
            return byte
        }
    }
}
