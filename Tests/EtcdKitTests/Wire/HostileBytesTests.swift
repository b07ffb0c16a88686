// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// `ETCDKIT_FUZZ_ITERATIONS` (for each message type) and `ETCDKIT_FUZZ_SEED` select another or a longer run.
@Suite("Wire: hostile bytes", .unit, .timeLimit(.minutes(TestEnvironment.fuzzIterations == nil ? 1 : 60)))
struct HostileBytesTests {
    private static let seed = TestEnvironment.fuzzSeed ?? 1
    private static let iterations = TestEnvironment.fuzzIterations ?? 500

    /// How much memory a byte of input may cost.
    ///
    /// The worst is a `ResponseOp`: 232 bytes for two, in an array that may have grown to twice what it needs.
    private static let bytesPerByte = 256

    @Test(
        "Mutated messages and random bytes are refused, or make a message that stays the same from then on",
        arguments: vectorMessages.keys.sorted()
    )
    func mutations(_ name: String) throws {
        func fuzz<Message: VectorMessage>(_: Message.Type, _ mutator: inout Mutator) -> (read: Int, refused: Int) {
            var read = 0
            for iteration in 0..<Self.iterations {
                let bytes = mutator.next()
                guard case .success(let message) = Message.decoded(from: bytes) else { continue }
                read += 1
                let encoded = message.encoded
                let again = Message.decoded(from: encoded)
                let footprint = Footprint.of(message)
                if again != .success(message) || encoded != (try? again.get())?.encoded
                    || footprint > bytes.count * Self.bytesPerByte
                {
                    Issue.record("\(footprint) bytes; seed \(Self.seed), iteration \(iteration): \(bytes.hexDigits)")
                    break
                }
            }
            return (read, Self.iterations - read)
        }
        let vectors = try WireVector.all.get().filter { $0.name == name }
        let corpus = vectors.flatMap { [$0.bytes] + $0.also }
        let salt = name.utf8.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        var mutator = Mutator(corpus: corpus, seed: Self.seed &+ salt)
        let type = try #require(vectorMessages[name])
        let (read, refused) = fuzz(type, &mutator)
        // Of the mutations, enough are read and enough are refused to test both.
        #expect(read >= Self.iterations / 20 && refused >= Self.iterations / 20, "\(read) read, \(refused) refused")
    }

    @Test("The smallest elements stay within the memory bound", arguments: vectorMessages.keys.sorted())
    func smallestElements(_ name: String) throws {
        func cost<Message: VectorMessage>(_: Message.Type, _ bytes: [UInt8]) -> Int? {
            (try? Message.decoded(from: bytes).get()).map(Footprint.of)
        }
        let type = try #require(vectorMessages[name])
        for tag in stride(from: 0x0a as UInt8, through: 0x7a, by: 8) {
            for count in [1, 2, 129, 1000] {
                let bytes = Array(repeatElement([tag, 0x00], count: count).joined())
                let footprint = cost(type, bytes) ?? 0
                #expect(footprint <= bytes.count * Self.bytesPerByte, "\(count) times tag \(tag)")
            }
        }
    }

    @Test("Control: an element that takes more breaks the bound")
    func tooLarge() throws {
        let bytes: [UInt8] = Array(repeatElement([0x0a, 0x00], count: 100).joined())
        let footprint = Footprint.of(try Large.List.decoded(from: bytes).get())
        #expect(footprint > bytes.count * Self.bytesPerByte)
    }
}

/// A message of 700 bytes.
private struct Large: ProtobufMessage {
    var operations = (Wire.ResponseOp(), Wire.ResponseOp(), Wire.ResponseOp())

    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {}

    struct List: ProtobufMessage {
        var elements: [Large] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &elements)
        }
    }
}
