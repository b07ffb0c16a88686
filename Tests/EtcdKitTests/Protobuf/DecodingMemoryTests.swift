// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// A message takes up no more memory than its budget, however small the parts that it is made of.
@Suite("ProtobufDecoder: the memory of a message", .measurement, .serialized, .timeLimit(.minutes(2)))
struct DecodingMemoryTests {
    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    /// The result for `count` bytes of empty events, and by how much memory grows.
    private func decodeEvents(_ count: Int, budget: Int? = nil) -> (Result<Wire.WatchResponse, ProtobufError>, Int) {
        let bytes: [UInt8] = (0..<count).map { $0 % 2 == 0 ? 0x5a : 0x00 }
        ProcessFigures.releaseFreeMemory()
        let before = ProcessFigures.residentMemory
        let outcome = bytes.withUnsafeBytes {
            ProtobufDecoder.decode(Wire.WatchResponse.self, from: $0, budget: budget)
        }
        return (outcome, ProcessFigures.residentMemory - before)
    }

    @Test("8 MiB of events of two bytes are refused before they take much", .enabled(if: canMeasure))
    func bounded() {
        let (outcome, growth) = decodeEvents(8 << 20)
        #expect(outcome == .failure(.tooLarge))
        #expect(growth < 150 << 20, "\(growth >> 20) MiB")
    }

    @Test("the control: without a budget, half of that takes 200 MiB", .enabled(if: canMeasure))
    func control() throws {
        let (outcome, growth) = decodeEvents(4 << 20, budget: .max)
        #expect(try outcome.get().events.count == 2 << 20)
        #expect(growth > 200 << 20, "\(growth >> 20) MiB")
    }

    @Test("each type keeps to a budget, whatever its lists hold", arguments: vectorMessages.keys.sorted())
    func everyType(_ name: String) throws {
        func check<Message: VectorMessage>(_: Message.Type, _ bytes: [UInt8], _ what: String) -> Bool {
            let budget = 1000 + 4 * bytes.count
            guard case .success(let message) = Message.decoded(from: bytes, budget: budget) else { return true }
            // An array may have room for twice its elements.
            let footprint = Footprint.of(message)
            #expect(footprint <= 2 * budget, "\(footprint) bytes: \(what)")
            return false
        }
        let type = try #require(vectorMessages[name])
        for tag in stride(from: 0x0a as UInt8, through: 0x7a, by: 8) {
            for element in [[], [1], [0x0a, 0], [0x0a, 1, 0x61], Array(repeating: 0x61, count: 20)] as [[UInt8]] {
                let part = [tag, UInt8(element.count)] + element
                _ = check(type, Array(repeatElement(part, count: 300).joined()), "tag \(tag), \(element)")
            }
        }
    }

    @Test("answers of etcd fit the budget, also with the smallest keys and values")
    func legitimate() throws {
        var header = ResponseHeader()
        header.revision = 1_000_000
        var deletion = WatchEvent()
        deletion.type = .delete
        var response = RangeResponse()
        response.header = header
        var events = Wire.WatchResponse()
        events.header = header
        for number in 0..<150_000 {
            var entry = KeyValue()
            entry.key = Key("\(number)")
            entry.modRevision = Revision(rawValue: Int64(number + 1))
            deletion.entry = entry
            events.events.append(deletion)
            entry.createRevision = entry.modRevision
            entry.version = 1
            response.entries.append(entry)
        }
        #expect(Wire.WatchResponse.decoded(from: events.encoded).map(\.events.count) == .success(150_000))
        #expect(RangeResponse.decoded(from: response.encoded).map(\.entries.count) == .success(150_000))
        // Large values are charged for their size.
        response.entries = [KeyValue()]
        response.entries[0].value = Value(bytes: pattern(20 << 20))
        #expect(RangeResponse.decoded(from: response.encoded).map(\.entries.count) == .success(1))
    }

    @Test("an answer over the budget has the code of an answer that is too large, unary and in a stream")
    @EventLoop
    func code() async throws {
        let bytes = Array(repeatElement([0x12, 0x00] as [UInt8], count: 1 << 20).joined())
        let server = try FakeServer { $0.answer(bytes) }
        defer { server.stop() }
        let client = try server.client()
        await expectError(.responseTooLarge) { try await client.get("k") }
        await client.close()
        #expect(LocalFailure(ProtobufError.tooLarge).code == .responseTooLarge)
        #expect(LocalFailure(ProtobufError.truncated).code == .protocolViolation)
    }
}
