// SPDX-License-Identifier: Apache-2.0

/// A message of Protocol Buffers (proto3).
///
/// It lists its fields once, and encoding and decoding both go by that list, so they cannot differ.
protocol ProtobufMessage: ProtobufValue {
    /// Shows each field with its number to `visitor`, which reads or sets it.
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError)

    /// About how many bytes the encoding takes, so that its buffer need not grow.
    var sizeHint: Int { get }
}

extension ProtobufMessage {
    var sizeHint: Int { 256 }

    static var wireType: ProtobufWireType { .lengthDelimited }
    static var isMessage: Bool { true }
    var isDefault: Bool { false }
    func encode(to encoder: inout ProtobufEncoder) { encoder.appendBlock { $0.append(self) } }
    mutating func decode(from decoder: inout ProtobufDecoder) throws(ProtobufError) {
        try decoder.mergeNested(into: &self)
    }
}

/// Goes through the fields of a message: an encoder or a decoder.
protocol ProtobufVisitor {
    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value) throws(ProtobufError)

    /// A member of a `oneof`: present even with its default value.
    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value?) throws(ProtobufError)

    /// A list; one of numbers is written packed.
    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ values: inout [Value]) throws(ProtobufError)
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
