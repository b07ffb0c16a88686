// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Whatever a server sends, the client must not trap, and no stream may be left without an ending.
@Suite("HTTP/2 session: broken servers", .timeLimit(.minutes(1)))
struct HTTP2FuzzTests {
    private static let rounds = 1500

    @Test("random bytes", arguments: 0..<4)
    func randomBytes(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        for round in 0..<Self.rounds {
            // Gives way to the tests that wait for others.
            if round % 10 == 0 { await Task.yield() }
            try feed(pattern(Int.random(in: 1..<400, using: &random), seed: random.next()), &random)
        }
    }

    @Test("frames of every type with random flags, streams and payloads, after proper settings", arguments: 0..<4)
    func randomFrames(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        for round in 0..<Self.rounds {
            // Gives way to the tests that wait for others.
            if round % 10 == 0 { await Task.yield() }
            var bytes: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
            for _ in 0..<Int.random(in: 1..<8, using: &random) {
                let payload = pattern(Int.random(in: 0..<40, using: &random), seed: random.next())
                let stream = UInt8([0, 0, 1, 1, 2, 3, 5, 255].randomElement(using: &random) ?? 0)
                let type = UInt8.random(in: 0...12, using: &random)
                bytes +=
                    [0, 0, UInt8(payload.count), type, .random(in: 0...255, using: &random), 0, 0, 0, stream] + payload
            }
            try feed(bytes, &random)
        }
    }

    @Test("a proper conversation with bytes changed, left out, doubled and cut off", arguments: 0..<8)
    func mutations(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let transcript = try Self.conversation()
        var intact = 0
        for round in 0..<Self.rounds {
            // Gives way to the tests that wait for others.
            if round % 10 == 0 { await Task.yield() }
            var bytes = transcript
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.remove(at: index)
                case 3: bytes.insert(contentsOf: bytes[index..<min(index + 20, bytes.count)], at: index)
                default: bytes.removeSubrange((index + 1)...)
                }
            }
            if try feed(bytes, &random) == [.closed(.noError), .notProcessed, .closed(.noError)] { intact += 1 }
        }
        // The control: without changes, and with some, the conversation is understood.
        #expect(intact > Self.rounds / 8)
    }

    /// What a server says that answers three requests in different ways.
    private static func conversation() throws -> [UInt8] {
        let pair = try HTTP2Pair()
        pair.script = { exchange, event in
            guard event == .end else { return }
            switch exchange.id {
            case 1: exchange.answer(pattern(100))
            case 3: exchange.reset(.refusedStream)
            default: exchange.refuse(.unavailable, "etcdserver: no leader")
            }
        }
        for _ in 0..<3 { _ = try pair.open() }
        try pair.run()
        pair.server.ping()
        pair.server.goAway(lastStreamID: 5, .noError, "bye")
        try pair.run()
        return pair.transcript
    }

    /// Feeds `bytes` in random chunks to a session with three streams, and looks at all that it makes of them.
    @discardableResult
    private func feed(_ bytes: [UInt8], _ random: inout SeededGenerator) throws -> [HTTP2Stream.Ending?] {
        let session = try HTTP2Session(settings: .init())
        let headers = GRPCMetadata(authority: "peer:1").headers(path: "/service/method")
        let streams = try (0..<3).map { number in
            try session.open(headers, body: [1, 2, 3], endStream: true, window: number == 0 ? .manual : .automatic)
        }
        var deframers = [Int32: GRPCDeframer]()
        var output: [UInt8] = []
        var rest = bytes[...]
        do {
            try session.send(into: &output, limit: .max)
            while !rest.isEmpty && !session.isFinished {
                let chunk = Array(rest.prefix(Int.random(in: 1...200, using: &random)))
                rest = rest.dropFirst(chunk.count)
                try chunk.withUnsafeBytes { try session.receive($0) }
                for stream in session.takeTouchedStreams() {
                    var deframer = deframers[stream.id] ?? GRPCDeframer(limit: 1000)
                    deframer.append(stream.takeReceived())
                    while let message = try deframer.next({ ProtobufDecoder.decode(RangeResponse.self, from: $0) }) {
                        _ = try? message.get()
                    }
                    deframers[stream.id] = deframer
                    if stream.ending == nil && Bool.random(using: &random) { session.consume(10, on: stream) }
                    _ = GRPCFailure(endOf: stream)
                }
                output = []
                try session.send(into: &output, limit: .max)
                // A server must not make the client talk without end.
                #expect(output.count < 10_000)
            }
        } catch is HTTP2Error {
            // A refusal is as good.
        } catch is GRPCStatus {
        }
        session.endAllStreams("the test is over")
        _ = session.takeTouchedStreams()
        #expect(session.streams.isEmpty)
        for stream in streams { #expect(stream.ending != nil) }
        return streams.map(\.ending)
    }
}
