// SPDX-License-Identifier: Apache-2.0

/// gRPC's framing of messages: a compression flag, a length of four bytes, the message.
enum GRPCFraming {
    static let prefixLength = 5

    /// A frame that holds `message`.
    static func frame(of message: some ProtobufMessage) -> [UInt8] {
        frame(sizeHint: message.sizeHint) { ProtobufEncoder.encode(message, into: &$0) }
    }

    /// A frame that holds what `encode` appends, about as much as `sizeHint`.
    static func frame(sizeHint: Int = 0, _ encode: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(prefixLength + sizeHint)
        bytes.append(contentsOf: repeatElement(0, count: prefixLength))
        encode(&bytes)
        let length = UInt32(clamping: bytes.count - prefixLength)
        for index in 1...4 { bytes[index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(4 - index))) }
        return bytes
    }

    /// The length of the message in the frame that starts at `start`; nil when the prefix is not there yet.
    static func messageLength(in bytes: [UInt8], at start: Int, limit: Int) throws(LocalFailure) -> Int? {
        guard bytes.count - start >= prefixLength else { return nil }
        if bytes[start] != 0 {
            throw LocalFailure(
                .protocolViolation,
                "the server sent a compressed message, which this client did not ask for"
            )
        }
        var length = 0
        for index in start + 1..<start + prefixLength { length = length << 8 | Int(bytes[index]) }
        if length > limit {
            throw LocalFailure(
                .responseTooLarge,
                "the server sent a message of \(length) bytes; the limit is \(limit) (maximumMessageSize)"
            )
        }
        return length
    }

    /// The range of the message in the body of a unary answer, which holds exactly one.
    static func singleMessage(in body: [UInt8], limit: Int) throws(LocalFailure) -> Range<Int> {
        guard let length = try messageLength(in: body, at: 0, limit: limit) else {
            throw LocalFailure(.protocolViolation, "the server answered without a message")
        }
        if body.count != prefixLength + length {
            throw LocalFailure(
                .protocolViolation,
                "the server answered with \(body.count) bytes for a message of \(length)"
            )
        }
        return prefixLength..<body.count
    }
}

extension ProtobufMessage {
    /// Reads the only message in the body of an answer.
    init(body: [UInt8], limit: Int) throws(LocalFailure) {
        let range = try GRPCFraming.singleMessage(in: body, limit: limit)
        let decoded = body.withUnsafeBytes { bytes in
            ProtobufDecoder.decode(Self.self, from: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        switch decoded {
        case .success(let message): self = message
        case .failure(let error): throw LocalFailure(error)
        }
    }
}

/// Cuts a stream of bytes into gRPC messages, however they were split or joined on the way.
struct GRPCDeframer {
    private let limit: Int
    /// The bytes that have arrived and were not dropped yet.
    private(set) var bytes: [UInt8] = []
    private var start = 0

    init(limit: Int) {
        self.limit = limit
    }

    mutating func append(_ bytes: [UInt8]) {
        if start == self.bytes.count {
            self.bytes = bytes
        } else {
            self.bytes.removeFirst(start)
            self.bytes.append(contentsOf: bytes)
        }
        start = 0
    }

    /// How many bytes there are that do not make a complete message, once ``next()`` has returned nil.
    var partialCount: Int { bytes.count - start }

    /// Where in ``bytes`` the next complete message is, until more is appended; nil when there is none.
    mutating func next() throws(LocalFailure) -> Range<Int>? {
        guard let length = try GRPCFraming.messageLength(in: bytes, at: start, limit: limit) else { return nil }
        let first = start + GRPCFraming.prefixLength
        guard bytes.count - first >= length else { return nil }
        start = first + length
        return first..<start
    }
}
