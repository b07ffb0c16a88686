// SPDX-License-Identifier: Apache-2.0

/// Parts of the client's work, without I/O, for `make budgets`, which counts their instructions.
package enum WorkSamples {
    /// The frame of a put, as a call encodes it.
    package static func putFrame(_ key: Key, _ value: Value) -> [UInt8] {
        GRPCFraming.frame { ProtobufEncoder.encode(Wire.PutRequest(key, value, nil, false, false), into: &$0) }
    }

    /// The answer to a read of these entries, as etcd encodes it.
    package static func rangeMessage(_ entries: [KeyValue]) -> [UInt8] {
        var message = RangeResponse()
        message.header.revision = 1_000_000
        message.entries = entries
        message.count = Int64(entries.count)
        return encoded(message)
    }

    /// How many entries an answer has, all of which are decoded.
    package static func decodeRange(_ message: [UInt8]) -> Int? {
        decoded(RangeResponse.self, message)?.entries.count
    }

    /// The watch response that these entries were put, as etcd encodes it.
    package static func watchMessage(_ entries: [KeyValue]) -> [UInt8] {
        var message = Wire.WatchResponse()
        message.header.revision = 1_000_000
        message.watchID = 7
        message.events = entries.map { WatchEvent(putOf: $0) }
        return encoded(message)
    }

    /// How many events an answer has, all of which are decoded.
    package static func decodeWatch(_ message: [UInt8]) -> Int? {
        decoded(Wire.WatchResponse.self, message)?.events.count
    }

    private static func encoded(_ message: some ProtobufMessage) -> [UInt8] {
        var bytes: [UInt8] = []
        ProtobufEncoder.encode(message, into: &bytes)
        return bytes
    }

    private static func decoded<Message: ProtobufMessage>(_ type: Message.Type, _ bytes: [UInt8]) -> Message? {
        try? bytes.withUnsafeBytes { ProtobufDecoder.decode(type, from: $0) }.get()
    }
}

/// Unary calls over one HTTP/2 session, without a socket, for `make budgets`.
package final class SessionSample {
    private let session: HTTP2Session
    private var output: [UInt8] = []

    package init() throws {
        session = try HTTP2Session(settings: .init())
    }

    /// Takes bytes from the server.
    package func receive(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try session.receive($0) }
    }

    /// Makes one call; returns the body of its answer, and the number of bytes that were sent.
    package func exchange(
        _ frame: [UInt8],
        answer: (_ streamID: Int32) -> [UInt8]
    ) throws -> (body: [UInt8], sentCount: Int) {
        let metadata = GRPCMetadata(authority: "127.0.0.1:2379", deadline: .now + .seconds(10), requiresLeader: true)
        let headers = metadata.headers(path: Wire.put.path)
        let stream = try session.open(headers, body: frame, endStream: true, window: .automatic)
        output.removeAll(keepingCapacity: true)
        try session.send(into: &output, limit: 256 << 10)
        try receive(answer(stream.id))
        for touched in session.takeTouchedStreams() where touched === stream && touched.isRemoteClosed {
            return (touched.takeReceived(), output.count)
        }
        return ([], output.count)
    }
}
