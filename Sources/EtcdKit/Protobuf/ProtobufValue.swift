// SPDX-License-Identifier: Apache-2.0

/// A value that a field may have: a number, bytes, text or a message.
protocol ProtobufValue: Sendable {
    /// The default.
    init()

    static var wireType: ProtobufWireType { get }
    static var isMessage: Bool { get }

    /// It is the default, which is left out. A message need not know: its encoding shows that it is empty.
    var isDefault: Bool { get }

    /// Writes the value, without the tag before it.
    func encode(to encoder: inout ProtobufEncoder)

    /// Replaces the value by the one that comes next; a message takes in its fields.
    mutating func decode(from decoder: inout ProtobufDecoder) throws(ProtobufError)
}

extension ProtobufValue {
    static var isMessage: Bool { false }
}

extension [UInt8]: ProtobufValue {
    static var wireType: ProtobufWireType { .lengthDelimited }
    var isDefault: Bool { isEmpty }
    func encode(to encoder: inout ProtobufEncoder) { encoder.append(block: self) }
    mutating func decode(from decoder: inout ProtobufDecoder) throws(ProtobufError) {
        self = [UInt8](try decoder.readBlock(free: 0))
    }
}

extension String: ProtobufValue {
    static var wireType: ProtobufWireType { .lengthDelimited }
    var isDefault: Bool { isEmpty }
    func encode(to encoder: inout ProtobufEncoder) { encoder.append(block: utf8) }
    mutating func decode(from decoder: inout ProtobufDecoder) throws(ProtobufError) {
        self = String(decoding: try decoder.readBlock(free: 15), as: UTF8.self)
    }
}

/// A number, also one that stands for a truth value or a case.
protocol ProtobufVarint: ProtobufValue {
    init(varint: UInt64)
    var varint: UInt64 { get }
}

extension ProtobufVarint {
    static var wireType: ProtobufWireType { .varint }
    var isDefault: Bool { varint == 0 }
    func encode(to encoder: inout ProtobufEncoder) { encoder.append(varint: varint) }
    mutating func decode(from decoder: inout ProtobufDecoder) throws(ProtobufError) {
        self = Self(varint: try decoder.readVarint())
    }
}

extension Int64: ProtobufVarint {
    init(varint: UInt64) { self.init(bitPattern: varint) }
    var varint: UInt64 { UInt64(bitPattern: self) }
}

extension UInt64: ProtobufVarint {
    init(varint: UInt64) { self = varint }
    var varint: UInt64 { self }
}

extension UInt32: ProtobufVarint {
    init(varint: UInt64) { self.init(truncatingIfNeeded: varint) }
    var varint: UInt64 { UInt64(self) }
}

extension Bool: ProtobufVarint {
    init(varint: UInt64) { self = varint != 0 }
    var varint: UInt64 { self ? 1 : 0 }
}

/// An enumeration of Protocol Buffers.
///
/// Its raw value may be any number, since servers may know more cases.
protocol ProtobufEnum: ProtobufVarint {
    init(rawValue: Int32)
    var rawValue: Int32 { get }
}

extension ProtobufEnum {
    init() { self.init(rawValue: 0) }
    init(varint: UInt64) { self.init(rawValue: Int32(truncatingIfNeeded: varint)) }
    /// A negative value is sign-extended, like any `int32`.
    var varint: UInt64 { UInt64(bitPattern: Int64(rawValue)) }
}
