// SPDX-License-Identifier: Apache-2.0

/// Reads messages from untrusted bytes.
///
/// The memory that a message takes up is bounded: each block of bytes and each element of a list is charged to a
/// budget, since an element of two bytes may take a hundred times as much. The decoder skips unknown fields, and treats
/// a known field of another wire type as unknown, as the specification requires.
struct ProtobufDecoder: ProtobufVisitor {
    private static let maximumDepth = 100

    private let bytes: UnsafeRawBufferPointer
    private let depth: Int
    /// How many bytes of memory the rest of the message may take up.
    private var budget: Int
    private var position = 0
    // The field at hand, and whether the message took it.
    private var number: UInt32 = 0
    private var type = ProtobufWireType.varint
    private var isTaken = false

    private init(_ bytes: UnsafeRawBufferPointer, depth: Int, budget: Int) {
        self.bytes = bytes
        self.depth = depth
        self.budget = budget
    }

    /// How much memory a message of `count` bytes may take up.
    ///
    /// An answer usually takes twice its size, and more if its keys and values are small. A million small entries fit,
    /// or 200,000 small events.
    static func budget(for count: Int) -> Int { 16 << 20 + 4 * count }

    /// The message in `bytes`, within a budget of its own if there is one.
    static func decode<Message: ProtobufMessage>(
        _: Message.Type,
        from bytes: UnsafeRawBufferPointer,
        budget: Int? = nil
    ) -> Result<Message, ProtobufError> {
        do {
            var message = Message()
            var decoder = ProtobufDecoder(bytes, depth: 0, budget: budget ?? Self.budget(for: bytes.count))
            try decoder.merge(into: &message)
            return .success(message)
        } catch {
            return .failure(error)
        }
    }

    private mutating func merge<Message: ProtobufMessage>(into message: inout Message) throws(ProtobufError) {
        while position < bytes.count {
            try readTag()
            isTaken = false
            try message.visitFields(&self)
            if !isTaken { try skip(type, group: number, depth: depth) }
        }
    }

    // MARK: Reading

    private mutating func readVarint() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard position < bytes.count else { throw .truncated }
            let byte = bytes[position]
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformedVarint
    }

    private mutating func readTag() throws(ProtobufError) {
        let tag = try readVarint()
        guard let type = ProtobufWireType(rawValue: tag & 7), (1...0x1fff_ffff).contains(tag >> 3) else {
            throw .malformedTag
        }
        number = UInt32(tag >> 3)
        self.type = type
    }

    private mutating func readDelimited() throws(ProtobufError) -> UnsafeRawBufferPointer {
        let length = try readVarint()
        guard length <= UInt64(bytes.count - position) else { throw .truncated }
        let start = position
        position += Int(length)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }

    private mutating func advance(by count: Int) throws(ProtobufError) {
        guard bytes.count - position >= count else { throw .truncated }
        position += count
    }

    private mutating func skip(_ type: ProtobufWireType, group: UInt32, depth: Int) throws(ProtobufError) {
        switch type {
        case .varint: _ = try readVarint()
        case .fixed64: try advance(by: 8)
        case .lengthDelimited: _ = try readDelimited()
        case .fixed32: try advance(by: 4)
        case .endGroup: throw .malformedTag
        case .startGroup:
            if depth >= Self.maximumDepth { throw .tooDeep }
            while true {
                try readTag()
                if self.type == .endGroup {
                    if number == group { return }
                    throw .malformedTag
                }
                try skip(self.type, group: number, depth: depth + 1)
            }
        }
    }

    /// Whether the field at hand is `number`, laid out as `type`; then the caller must read it.
    private mutating func take(_ number: UInt32, _ type: ProtobufWireType) -> Bool {
        guard number == self.number, type == self.type else { return false }
        isTaken = true
        return true
    }

    private mutating func mergeNested<Message: ProtobufMessage>(into message: inout Message) throws(ProtobufError) {
        if depth >= Self.maximumDepth { throw .tooDeep }
        var nested = ProtobufDecoder(try readDelimited(), depth: depth + 1, budget: budget)
        try nested.merge(into: &message)
        budget = nested.budget
    }

    private mutating func charge(_ count: Int) throws(ProtobufError) {
        if count > budget { throw .tooLarge }
        budget -= count
    }

    /// Charges an element of a list.
    private mutating func charge<Element>(_: Element.Type) throws(ProtobufError) {
        try charge(MemoryLayout<Element>.stride)
    }

    private static let blockHeader = 32

    private mutating func readBytes() throws(ProtobufError) -> [UInt8] {
        let bytes = try readDelimited()
        if !bytes.isEmpty { try charge(Self.blockHeader + bytes.count) }
        return [UInt8](bytes)
    }

    private mutating func readString() throws(ProtobufError) -> String {
        let bytes = try readDelimited()
        // Short texts have no block.
        if bytes.count > 15 { try charge(Self.blockHeader + bytes.count) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func append<Element>(_ value: Element, to values: inout [Element]) throws(ProtobufError) {
        try charge(Element.self)
        values.append(value)
    }

    // MARK: ProtobufVisitor

    mutating func field(_ number: UInt32, _ value: inout Int64) throws(ProtobufError) {
        if take(number, .varint) { value = Int64(bitPattern: try readVarint()) }
    }

    mutating func field(_ number: UInt32, _ value: inout UInt64) throws(ProtobufError) {
        if take(number, .varint) { value = try readVarint() }
    }

    mutating func field(_ number: UInt32, _ value: inout UInt32) throws(ProtobufError) {
        if take(number, .varint) { value = UInt32(truncatingIfNeeded: try readVarint()) }
    }

    mutating func field(_ number: UInt32, _ value: inout Bool) throws(ProtobufError) {
        if take(number, .varint) { value = try readVarint() != 0 }
    }

    mutating func field(_ number: UInt32, _ value: inout String) throws(ProtobufError) {
        if take(number, .lengthDelimited) { value = try readString() }
    }

    mutating func field(_ number: UInt32, _ value: inout [UInt8]) throws(ProtobufError) {
        if take(number, .lengthDelimited) { value = try readBytes() }
    }

    mutating func field<Enum: ProtobufEnum>(_ number: UInt32, _ value: inout Enum) throws(ProtobufError) {
        if take(number, .varint) { value = Enum(rawValue: Int32(truncatingIfNeeded: try readVarint())) }
    }

    mutating func field(_ number: UInt32, _ value: inout some ProtobufMessage) throws(ProtobufError) {
        if take(number, .lengthDelimited) { try mergeNested(into: &value) }
    }

    mutating func field(_ number: UInt32, _ value: inout Int64?) throws(ProtobufError) {
        if take(number, .varint) { value = Int64(bitPattern: try readVarint()) }
    }

    mutating func field(_ number: UInt32, _ value: inout [UInt8]?) throws(ProtobufError) {
        if take(number, .lengthDelimited) { value = try readBytes() }
    }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ value: inout Message?) throws(ProtobufError) {
        guard take(number, .lengthDelimited) else { return }
        var message = value ?? Message()
        // Held in one place only, it grows in place: else each part of it that arrives copies all before it.
        value = nil
        try mergeNested(into: &message)
        value = message
    }

    mutating func field(_ number: UInt32, _ values: inout [String]) throws(ProtobufError) {
        if take(number, .lengthDelimited) { try append(readString(), to: &values) }
    }

    mutating func field(_ number: UInt32, _ values: inout [[UInt8]]) throws(ProtobufError) {
        if take(number, .lengthDelimited) { try append(readBytes(), to: &values) }
    }

    mutating func field<Enum: ProtobufEnum>(_ number: UInt32, _ values: inout [Enum]) throws(ProtobufError) {
        if take(number, .varint) {
            try append(Enum(rawValue: Int32(truncatingIfNeeded: try readVarint())), to: &values)
        } else if take(number, .lengthDelimited) {
            var packed = ProtobufDecoder(try readDelimited(), depth: depth, budget: 0)
            while packed.position < packed.bytes.count {
                try append(Enum(rawValue: Int32(truncatingIfNeeded: try packed.readVarint())), to: &values)
            }
        }
    }

    mutating func field<Message: ProtobufMessage>(_ number: UInt32, _ values: inout [Message]) throws(ProtobufError) {
        guard take(number, .lengthDelimited) else { return }
        try charge(Message.self)
        var message = Message()
        try mergeNested(into: &message)
        values.append(message)
    }
}
