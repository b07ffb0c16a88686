// SPDX-License-Identifier: Apache-2.0

/// A message of Protocol Buffers (proto3).
///
/// It lists its fields once, and encoding and decoding both go by that list, so they cannot differ.
protocol ProtobufMessage: Sendable {
    /// The message in which every field has its default.
    init()

    /// Shows each field with its number to `visitor`, which reads or sets it.
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError)

    /// About how many bytes the encoding takes, so that its buffer need not grow.
    var sizeHint: Int { get }
}

extension ProtobufMessage {
    var sizeHint: Int { 256 }
}

/// An enumeration of Protocol Buffers.
///
/// Its raw value may be any number, since servers may know more cases.
protocol ProtobufEnum: Sendable {
    init(rawValue: Int32)
    var rawValue: Int32 { get }
}

/// Goes through the fields of a message: an encoder or a decoder.
protocol ProtobufVisitor {
    mutating func field(_ number: UInt32, _ value: inout Int64) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout UInt64) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout UInt32) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout Bool) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout String) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout [UInt8]) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout some ProtobufEnum) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout some ProtobufMessage) throws(ProtobufError)

    // A member of a `oneof`: present even with its default value.
    mutating func field(_ number: UInt32, _ value: inout Int64?) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ value: inout [UInt8]?) throws(ProtobufError)
    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ value: inout Message?) throws(ProtobufError)

    mutating func field(_ number: UInt32, _ values: inout [String]) throws(ProtobufError)
    mutating func field(_ number: UInt32, _ values: inout [[UInt8]]) throws(ProtobufError)
    mutating func field<Enum: ProtobufEnum>(_ number: UInt32, _ values: inout [Enum]) throws(ProtobufError)
    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ values: inout [Message]) throws(ProtobufError)
}

/// An error in an encoded message.
enum ProtobufError: Error, Sendable, Hashable {
    /// A field reaches past the end of its message.
    case truncated
    /// A variable-length integer has more than ten bytes.
    case malformedVarint
    /// A field number is zero or over the limit, or a wire type does not exist.
    case malformedTag
    /// Messages are nested too deeply.
    case tooDeep
    /// The message would take up too much memory.
    case tooLarge
}

/// How a field is laid out on the wire.
enum ProtobufWireType: UInt64 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
}
