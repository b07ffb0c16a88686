// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The server's side of calls over one HTTP/2 session, recorded: the answer of etcd to a put, byte for byte.
struct ServerScript {
    private static let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
    private static let message = [UInt8]([0, 0, 0, 0, 24, 10, 22]) + [UInt8](repeating: 1, count: 22)

    private var first: Answer
    private var others: Answer
    private var isFirst = true

    static func countInstructions() async throws {
        let calls = 2000
        let session = try SessionSample()
        try session.receive(settings)
        let frame = WorkSamples.putFrame("budgets/1", Calls.value)
        var script = ServerScript(requestSize: frame.count)
        try await InstructionMeter.measure("one call over an HTTP/2 session", operations: calls) {
            for _ in 0..<calls {
                let (body, sentCount) = try session.exchange(frame) { script.answer(on: $0) }
                guard body == message, sentCount > frame.count else {
                    throw Failure(description: "the session has sent \(sentCount) bytes, and received \(body)")
                }
            }
        }
    }

    private init(requestSize: Int) {
        let status: UInt8 = 0x88
        // The fields come with their names and values once, and after that by their numbers in HPACK's table.
        first = Answer(
            requestSize,
            headers: [status, 0x5f] + Self.text("application/grpc"),
            trailers: [0x40] + Self.text("grpc-status") + Self.text("0") + [0x40] + Self.text("grpc-message") + [0]
        )
        others = Answer(requestSize, headers: [status, 0xc0], trailers: [0xbf, 0xbe])
    }

    private mutating func answer(on stream: Int32) -> [UInt8] {
        defer { isFirst = false }
        return isFirst ? first.bytes(on: stream) : others.bytes(on: stream)
    }

    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

    /// Room for as many bytes as were received, headers, a message, trailers.
    private struct Answer {
        private var bytes: [UInt8] = []
        /// The offset of the stream's number.
        private var places: [Int] = []

        init(_ requestSize: Int, headers: [UInt8], trailers: [UInt8]) {
            append(8, 0, [0, 0, UInt8(truncatingIfNeeded: requestSize >> 8), UInt8(truncatingIfNeeded: requestSize)])
            // The window is the connection's.
            places = []
            append(1, 4, headers)
            append(0, 0, ServerScript.message)
            append(1, 5, trailers)
        }

        private mutating func append(_ type: UInt8, _ flags: UInt8, _ payload: [UInt8]) {
            bytes += [0, 0, UInt8(payload.count), type, flags]
            places.append(bytes.count)
            bytes += [0, 0, 0, 0] + payload
        }

        mutating func bytes(on stream: Int32) -> [UInt8] {
            for place in places {
                for index in 0..<4 {
                    bytes[place + index] = UInt8(truncatingIfNeeded: stream >> (24 - 8 * Int32(index)))
                }
            }
            return bytes
        }
    }
}
