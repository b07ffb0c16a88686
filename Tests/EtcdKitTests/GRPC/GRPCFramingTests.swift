// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("GRPC: framing", .unit, .timeLimit(.minutes(1)))
struct GRPCFramingTests {
    private func frame(_ message: [UInt8]) -> [UInt8] { HTTP2ServerExchange.frame(message) }

    private func messages(_ deframer: inout GRPCDeframer) throws -> [[UInt8]] {
        var messages: [[UInt8]] = []
        while let message = try deframer.take() { messages.append(message) }
        return messages
    }

    @Test("a frame has a flag, a length in network order, and the message", arguments: [0, 1, 255, 256, 70_000])
    func frames(count: Int) {
        let message = pattern(count)
        #expect(firstDifference(GRPCFraming.frame { $0 += message }, frame(message)) == nil)
    }

    @Test("several messages come out of one chunk, and one out of many", arguments: [Int.max, 7, 1])
    func chunks(size: Int) throws {
        let expected = [pattern(10), [], pattern(300, seed: 1), [42]]
        let bytes = expected.flatMap(frame)
        var deframer = GRPCDeframer(limit: 300)
        var received: [[UInt8]] = []
        for start in stride(from: 0, to: bytes.count, by: min(size, bytes.count)) {
            deframer.append(Array(bytes[start..<min(start + min(size, bytes.count), bytes.count)]))
            received += try messages(&deframer)
        }
        #expect(received == expected)
        #expect(deframer.partialCount == 0)
    }

    @Test("any split gives the same messages, and the remaining bytes are counted", arguments: 0..<20)
    func randomSplits(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let expected = (0..<100).map { number in pattern(Int.random(in: 0..<400, using: &random), seed: number) }
        let bytes = expected.flatMap(frame)
        var deframer = GRPCDeframer(limit: 400)
        var received: [[UInt8]] = []
        var start = 0
        while start < bytes.count {
            let end = min(start + Int.random(in: 0..<900, using: &random), bytes.count)
            deframer.append(Array(bytes[start..<end]))
            start = end
            // The owner need not take everything at once.
            if Bool.random(using: &random), let message = try deframer.take() { received.append(message) }
            if Bool.random(using: &random) {
                received += try messages(&deframer)
                #expect(deframer.partialCount == start - received.flatMap(frame).count)
            }
        }
        received += try messages(&deframer)
        #expect(received == expected)
        #expect(deframer.partialCount == 0)
    }

    @Test("a compressed message is refused with a reason")
    func compressed() throws {
        var deframer = GRPCDeframer(limit: 100)
        deframer.append(frame([1]) + HTTP2ServerExchange.frame([2], compressed: true))
        #expect(try deframer.take() == [1])
        let failure = #expect(throws: LocalFailure.self) { try deframer.take() }
        #expect(failure?.code == .protocolViolation)
        #expect(failure?.message.contains("compressed") == true)
    }

    @Test("a message over the limit is refused by its prefix alone")
    func overTheLimit() throws {
        var deframer = GRPCDeframer(limit: 100)
        deframer.append(frame(pattern(100)) + HTTP2ServerExchange.frame([], length: 101))
        #expect(try deframer.take()?.count == 100)
        let failure = #expect(throws: LocalFailure.self) { try deframer.take() }
        #expect(failure?.code == .responseTooLarge)
        #expect(failure?.message.contains("101") == true)
        #expect(failure?.message.contains("maximumMessageSize") == true)

        var largest = GRPCDeframer(limit: .max)
        largest.append([0, 255, 255, 255, 255])
        #expect(try largest.take() == nil)
    }

    @Test("a unary answer holds exactly one message")
    func singleMessage() throws {
        #expect(try GRPCFraming.singleMessage(in: frame([1, 2, 3]), limit: 3) == 5..<8)
        #expect(try GRPCFraming.singleMessage(in: frame([]), limit: 3) == 5..<5)
        for (body, reason) in [
            ([], "without a message"), ([0, 0, 0], "without a message"),
            (Array(frame([1, 2, 3]).dropLast()), "7 bytes"),
            (frame([1]) + frame([2]), "12 bytes"), (frame([1]) + [0], "7 bytes"),
            (HTTP2ServerExchange.frame([1], compressed: true), "compressed"), (frame([1, 2, 3, 4]), "the limit is 3"),
        ] {
            let failure = #expect(throws: LocalFailure.self) { try GRPCFraming.singleMessage(in: body, limit: 3) }
            #expect(failure?.message.contains(reason) == true, "\(String(describing: failure))")
        }
    }
}

extension GRPCDeframer {
    /// The next complete message.
    fileprivate mutating func take() throws -> [UInt8]? {
        try next().map { Array(bytes[$0]) }
    }
}
