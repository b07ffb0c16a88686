// SPDX-License-Identifier: Apache-2.0

/// Reads messages from untrusted bytes.
///
/// The memory that a message takes up is bounded: each block of bytes and each element of a list is charged to a
/// budget, since an element of two bytes may take a hundred times as much. The decoder skips unknown fields, and treats
/// a known field of another wire type as unknown, as the specification requires.
struct ProtobufDecoder: ProtobufVisitor {
    private static let maximumDepth = 100

    private var scanner: ProtobufScanner
    private let depth: Int
    /// How many bytes of memory the rest of the message may take up.
    private var budget: Int
    // The field at hand, and whether the message took it.
    private var number: UInt32 = 0
    private var type = ProtobufWireType.varint
    private var isTaken = false

    private init(_ bytes: UnsafeRawBufferPointer, depth: Int, budget: Int) {
        scanner = ProtobufScanner(bytes)
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
        while !scanner.isAtEnd {
            try readTag()
            isTaken = false
            try message.visitFields(&self)
            if !isTaken { try skip(type, group: number, depth: depth) }
        }
    }

    // MARK: Reading

    private mutating func readTag() throws(ProtobufError) {
        let tag = try scanner.varint()
        guard let type = ProtobufWireType(rawValue: tag & 7), (1...0x1fff_ffff).contains(tag >> 3) else {
            throw .malformedTag
        }
        number = UInt32(tag >> 3)
        self.type = type
    }

    private mutating func skip(_ type: ProtobufWireType, group: UInt32, depth: Int) throws(ProtobufError) {
        switch type {
        case .varint: _ = try scanner.varint()
        case .fixed64: _ = try scanner.bytes(8)
        case .lengthDelimited: _ = try scanner.delimited()
        case .fixed32: _ = try scanner.bytes(4)
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

    private mutating func charge(_ count: Int) throws(ProtobufError) {
        if count > budget { throw .tooLarge }
        budget -= count
    }

    // MARK: Values

    mutating func readVarint() throws(ProtobufError) -> UInt64 { try scanner.varint() }

    /// Takes a block of bytes, of which up to `free` need no memory.
    mutating func readBlock(free: Int) throws(ProtobufError) -> UnsafeRawBufferPointer {
        let bytes = try scanner.delimited()
        if bytes.count > free { try charge(32 + bytes.count) }
        return bytes
    }

    mutating func mergeNested<Message: ProtobufMessage>(into message: inout Message) throws(ProtobufError) {
        if depth >= Self.maximumDepth { throw .tooDeep }
        var nested = ProtobufDecoder(try scanner.delimited(), depth: depth + 1, budget: budget)
        try nested.merge(into: &message)
        budget = nested.budget
    }

    private mutating func appendValue<Value: ProtobufValue>(to values: inout [Value]) throws(ProtobufError) {
        try charge(MemoryLayout<Value>.stride)
        var value = Value()
        try value.decode(from: &self)
        values.append(value)
    }

    // MARK: ProtobufVisitor

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value) throws(ProtobufError) {
        if take(number, Value.wireType) { try value.decode(from: &self) }
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ value: inout Value?) throws(ProtobufError) {
        guard take(number, Value.wireType) else { return }
        // Held in one place only, it grows in place: else each part of it that arrives copies all before it.
        var present = value.take() ?? Value()
        try present.decode(from: &self)
        value = present
    }

    mutating func field<Value: ProtobufValue>(_ number: UInt32, _ values: inout [Value]) throws(ProtobufError) {
        if take(number, Value.wireType) {
            try appendValue(to: &values)
        } else if Value.wireType == .varint, take(number, .lengthDelimited) {
            var packed = ProtobufDecoder(try scanner.delimited(), depth: depth, budget: budget)
            while !packed.scanner.isAtEnd { try packed.appendValue(to: &values) }
            budget = packed.budget
        }
    }
}

/// Walks over the fields of a message without building one; it never reads past the end of the bytes.
struct ProtobufScanner {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position: Int

    init(_ bytes: UnsafeRawBufferPointer, from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position >= bytes.count }

    /// Takes a number, which is also how a field begins.
    @inline(__always)
    mutating func varint() throws(ProtobufError) -> UInt64 {
        guard position < bytes.count else { throw .truncated }
        let first = bytes[position]
        if first >= 0x80 { return try longVarint() }
        position += 1
        return UInt64(first)
    }

    private mutating func longVarint() throws(ProtobufError) -> UInt64 {
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

    /// Takes a block of bytes with its length before it.
    @inline(__always)
    mutating func delimited() throws(ProtobufError) -> UnsafeRawBufferPointer { try bytes(varint()) }

    /// Takes as many bytes.
    @inline(__always)
    mutating func bytes(_ count: UInt64) throws(ProtobufError) -> UnsafeRawBufferPointer {
        guard count <= UInt64(bytes.count - position) else { throw .truncated }
        let start = position
        position += Int(count)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<position])
    }
}
