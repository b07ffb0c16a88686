// SPDX-License-Identifier: Apache-2.0

/// Writes messages as bytes.
struct ProtobufEncoder: ProtobufVisitor {
    private var bytes: [UInt8]

    /// Appends the encoding of `message` to `bytes`.
    static func encode<Message: ProtobufMessage>(_ message: Message, into bytes: inout [UInt8]) {
        var encoder = ProtobufEncoder(bytes: bytes)
        bytes = []
        encoder.append(message)
        bytes = encoder.bytes
    }

    mutating func append<Message: ProtobufMessage>(_ message: Message) {
        // The requirement is `mutating` for the decoder; this one only reads, and never throws.
        var message = message
        try? message.visitFields(&self)
    }

    @inline(__always)
    mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func append(tag number: UInt32, _ type: ProtobufWireType) {
        append(varint: UInt64(number) << 3 | type.rawValue)
    }

    private mutating func append(_ number: UInt32, _ value: some ProtobufValue) {
        append(tag: number, type(of: value).wireType)
        value.encode(to: &self)
    }

    /// Appends bytes with their length before them.
    mutating func append(block: some Collection<UInt8>) {
        append(varint: UInt64(block.count))
        bytes.append(contentsOf: block)
    }

    /// Appends what `body` appends, with its length before it.
    mutating func appendBlock(_ body: (inout ProtobufEncoder) -> Void) {
        let start = bytes.count
        bytes.append(0)
        body(&self)
        let length = bytes.count - start - 1
        if length < 0x80 {
            bytes[start] = UInt8(length)
        } else {
            // The length needs more than the byte that was kept for it.
            var prefix = ProtobufEncoder(bytes: [])
            prefix.append(varint: UInt64(length))
            bytes.replaceSubrange(start...start, with: prefix.bytes)
        }
    }

    // MARK: ProtobufVisitor

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value) {
        if value.isDefault { return }
        let start = bytes.count
        append(number, value)
        // The default of a message, which is empty, is left out, too: a tag of one or two bytes and a zero.
        if Value.isMessage, bytes.count - start <= 3, bytes.last == 0 { bytes.removeSubrange(start...) }
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value?) {
        if let value { append(number, value) }
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ values: inout [Value]) {
        if Value.wireType != .varint {
            for value in values { append(number, value) }
        } else if !values.isEmpty {
            append(tag: number, .lengthDelimited)
            appendBlock { encoder in
                for value in values { value.encode(to: &encoder) }
            }
        }
    }
}
