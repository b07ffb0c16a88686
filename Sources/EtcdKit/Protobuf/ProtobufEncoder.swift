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

    private mutating func append<Message: ProtobufMessage>(_ message: Message) {
        // The requirement is `mutating` for the decoder; this one only reads, and never throws.
        var message = message
        try? message.visitFields(&self)
    }

    private mutating func append(varint value: UInt64) {
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

    private mutating func append(_ number: UInt32, varint value: UInt64) {
        append(tag: number, .varint)
        append(varint: value)
    }

    private mutating func append(_ number: UInt32, _ value: some Collection<UInt8>) {
        append(tag: number, .lengthDelimited)
        append(varint: UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Appends what `body` appends, with its length before it.
    private mutating func append(_ number: UInt32, _ body: (inout ProtobufEncoder) -> Void) {
        append(tag: number, .lengthDelimited)
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

    mutating func field(_ number: UInt32, _ value: inout Int64) {
        if value != 0 { append(number, varint: UInt64(bitPattern: value)) }
    }

    mutating func field(_ number: UInt32, _ value: inout UInt64) {
        if value != 0 { append(number, varint: value) }
    }

    mutating func field(_ number: UInt32, _ value: inout UInt32) {
        if value != 0 { append(number, varint: UInt64(value)) }
    }

    mutating func field(_ number: UInt32, _ value: inout Bool) {
        if value { append(number, varint: 1) }
    }

    mutating func field(_ number: UInt32, _ value: inout String) {
        if !value.isEmpty { append(number, value.utf8) }
    }

    mutating func field(_ number: UInt32, _ value: inout [UInt8]) {
        if !value.isEmpty { append(number, value) }
    }

    mutating func field(_ number: UInt32, _ value: inout some ProtobufEnum) {
        // A negative enumeration value is sign-extended, like any int32.
        if value.rawValue != 0 { append(number, varint: UInt64(bitPattern: Int64(value.rawValue))) }
    }

    mutating func field(_ number: UInt32, _ value: inout some ProtobufMessage) {
        let message = value
        let start = bytes.count
        append(number) { $0.append(message) }
        // An empty message is the default, and left out: a tag of one or two bytes and a zero.
        if bytes.count - start <= 3 && bytes.last == 0 { bytes.removeSubrange(start...) }
    }

    mutating func field(_ number: UInt32, _ value: inout Int64?) {
        if let value { append(number, varint: UInt64(bitPattern: value)) }
    }

    mutating func field(_ number: UInt32, _ value: inout [UInt8]?) {
        if let value { append(number, value) }
    }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ value: inout Message?) {
        guard let message = value else { return }
        append(number) { $0.append(message) }
    }

    mutating func field(_ number: UInt32, _ values: inout [String]) {
        for value in values { append(number, value.utf8) }
    }

    mutating func field(_ number: UInt32, _ values: inout [[UInt8]]) {
        for value in values { append(number, value) }
    }

    mutating func field<Enum: ProtobufEnum>(_ number: UInt32, _ values: inout [Enum]) {
        if values.isEmpty { return }
        let values = values
        append(number) { encoder in
            for value in values { encoder.append(varint: UInt64(bitPattern: Int64(value.rawValue))) }
        }
    }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ values: inout [Message]) {
        for value in values {
            append(number) { $0.append(value) }
        }
    }
}
