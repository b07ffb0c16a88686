// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("ProtobufDecoder", .unit, .timeLimit(.minutes(1)))
struct ProtobufDecoderTests {
    /// Ten bytes, of which the first nine have no more than the continuation bit.
    private static let paddedZero: [UInt8] = Array(repeating: 0x80, count: 9) + [0]

    private func decode(_ bytes: [UInt8]) throws(ProtobufError) -> Everything {
        try Everything.decoded(from: bytes).get()
    }

    // MARK: Variable-length integers

    @Test(
        "Varints have up to ten bytes",
        arguments: [
            ([0x00], 0), ([0x01], 1), ([0x7f], 127), ([0x80, 0x01], 128), ([0xff, 0x7f], 16_383),
            ([0x80, 0x80, 0x01], 16_384), ([0xff, 0xff, 0xff, 0xff, 0x07], 0x7fff_ffff),
            ([0x80, 0x80, 0x80, 0x80, 0x08], 0x8000_0000), ([0xff, 0xff, 0xff, 0xff, 0x0f], 0xffff_ffff),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], 0x7fff_ffff_ffff_ffff),
            ([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], 0x8000_0000_0000_0000),
            ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], .max), (paddedZero, 0),
        ] as [([UInt8], UInt64)]
    )
    func varint(_ bytes: [UInt8], _ value: UInt64) throws {
        #expect(try decode([0x10] + bytes).unsigned == value)
        #expect(try decode([0x08] + bytes).signed == Int64(bitPattern: value))
        #expect(try decode([0x20] + bytes).flag == (value != 0))
        // 32-bit kinds take the low bits of longer ones.
        #expect(try decode([0x18] + bytes).small == UInt32(truncatingIfNeeded: value))
        #expect(try decode([0x38] + bytes).color.rawValue == Int32(truncatingIfNeeded: value))
    }

    @Test("A varint of eleven bytes is refused, wherever it stands")
    func overlongVarint() {
        let overlong: [UInt8] = Array(repeating: 0x80, count: 10) + [0]
        for prefix in [[0x10], [], [0x32], [0x98, 0x06]] as [[UInt8]] {
            #expect(throws: ProtobufError.malformedVarint) { try decode(prefix + overlong) }
        }
    }

    @Test("A varint that the input ends in is refused")
    func truncatedVarint() {
        for count in 1...9 {
            #expect(throws: ProtobufError.truncated) { try decode([0x10] + Array(repeating: 0xff, count: count)) }
        }
    }

    // MARK: Tags and lengths

    @Test("Field number 0, numbers over the limit, and wire types 6 and 7 are refused")
    func malformedTag() throws {
        let tooLarge: [UInt8] = [0x80, 0x80, 0x80, 0x80, 0x10, 0x00]
        for bytes in [[0x00, 0x00], [0x02, 0x00], [0x0e], [0x0f], tooLarge] {
            #expect(throws: ProtobufError.malformedTag) { try decode(bytes) }
        }
        #expect(try decode([0xf8, 0xff, 0xff, 0xff, 0x0f, 0x05]).fiveByteTag == 5)
    }

    @Test("A message may end between any two fields, and nowhere else")
    func truncated() throws {
        var message = Everything()
        message.signed = -1
        message.text = "text"
        message.plain.names = ["a", "b"]
        message.leaves = [Everything.Leaf(number: 300), Everything.Leaf()]
        message.colors = [.green, .blue]
        message.twoByteTag = 1
        let bytes = message.encoded
        // -1; "text"; 2 * "a"; green, blue; 300; an empty leaf; 1.
        let ends = [0, 11, 17, 25, 29, 34, 36, 39]
        #expect(bytes.count == 39)
        for count in 0...bytes.count {
            let result = Everything.decoded(from: Array(bytes.prefix(count)))
            if ends.contains(count) {
                #expect(throws: Never.self) { try result.get() }
            } else {
                #expect(result == .failure(.truncated), "\(count) bytes")
            }
        }
    }

    @Test("A length beyond the input is refused, however large", arguments: [0x32, 0x2a, 0x42, 0x5a, 0x72, 0x6a, 0xa2])
    func absurdLength(_ tag: UInt8) {
        let lengths: [[UInt8]] = [
            [0x02], [0x80, 0x01], [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f],
            // 2^40 would fit in an address space, 2^63 not in an Int.
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x20], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ]
        for length in lengths {
            // 0xa2 0x06 is field 100, which the message does not have.
            let field = (tag == 0xa2 ? [0xa2, 0x06] : [tag]) + length + [0x00]
            #expect(throws: ProtobufError.truncated) { try decode(field) }
        }
    }

    @Test("A nested message ends where its length says, even if the input goes on")
    func nestedEnd() {
        // A leaf of one byte, the tag of its number; the number would be the next byte.
        #expect(throws: ProtobufError.truncated) { try decode([0x42, 0x01, 0x08, 0x05]) }
        #expect(throws: ProtobufError.truncated) { try decode([0x72, 0x01, 0x80, 0x05]) }
    }

    @Test(
        "A field of fixed size that the input ends in is refused",
        arguments: [(0xa5, 4), (0xa1, 8)] as [(UInt8, Int)]
    )
    func truncatedFixed(_ tag: UInt8, _ size: Int) throws {
        for count in 0..<size {
            let field = [tag, 0x06] + Array(repeating: 0 as UInt8, count: count)
            #expect(throws: ProtobufError.truncated) { try decode(field) }
            // The message ends before the input does; the end of a group does not replace the missing bytes.
            #expect(throws: ProtobufError.truncated) { try decode([0x42, UInt8(field.count)] + field + [0x10, 0x02]) }
            #expect(throws: ProtobufError.truncated) { try decode([0xa3, 0x06] + field) }
        }
        #expect(try decode([tag, 0x06] + Array(repeating: 0, count: size)) == Everything())
    }

    // MARK: Unknown fields

    @Test("Fields of unknown numbers are skipped, of every wire type")
    func unknownFields() throws {
        let unknown: [[UInt8]] = [
            [0xa0, 0x06, 0xff, 0x01], [0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8], [0xa2, 0x06, 0x02, 0xff, 0xff],
            [0xa5, 0x06, 1, 2, 3, 4], [0xa3, 0x06, 0xa4, 0x06],
            // A group with a number, a group in it, and a known field number that means nothing here.
            [0xa3, 0x06, 0x08, 0x07, 0x13, 0x12, 0x01, 0x41, 0x14, 0x10, 0x09, 0xa4, 0x06],
        ]
        for bytes in unknown {
            let message = try decode([0x08, 0x01] + bytes + [0x10, 0x02])
            #expect(message == Everything(signed: 1, unsigned: 2))
        }
    }

    @Test("A known field of another wire type is skipped, and leaves its value alone")
    func otherWireType() throws {
        var message = Everything(signed: 1, text: "text", data: [1], color: .blue, colors: [.green])
        message.plain.number = 2
        message.chosenNumber = 3
        message.leaves = [Everything.Leaf()]
        let varints: [UInt8] = [1, 2, 3, 4, 7, 9, 16]
        let delimited: [UInt8] = [5, 6, 8, 10, 11, 12, 13, 15]
        var bytes = message.encoded
        for number in varints { bytes += number < 16 ? [number << 3 | 2, 0x01, 0x05] : [0x82, 0x01, 0x01, 0x05] }
        for number in delimited { bytes += [number << 3, 0x05] }
        for number in 1...15 as ClosedRange<UInt8> {
            bytes += [number << 3 | 5, 1, 2, 3, 4]
            bytes += [number << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8]
            bytes += [number << 3 | 3, number << 3 | 4]
        }
        #expect(try decode(bytes) == message)
    }

    @Test("A group must end, and with its own number")
    func unbalancedGroups() {
        #expect(throws: ProtobufError.truncated) { try decode([0xa3, 0x06]) }
        #expect(throws: ProtobufError.truncated) { try decode([0xa3, 0x06, 0x08, 0x01]) }
        #expect(throws: ProtobufError.malformedTag) { try decode([0xa3, 0x06, 0xac, 0x06]) }
        #expect(throws: ProtobufError.malformedTag) { try decode([0xa3, 0x06, 0x0b, 0xa4, 0x06, 0x0c]) }
        #expect(throws: ProtobufError.malformedTag) { try decode([0xa4, 0x06]) }
        // The end of the group stands outside of the message that the group is in.
        #expect(throws: ProtobufError.truncated) { try decode([0x42, 0x01, 0x1b, 0x1c]) }
    }

    // MARK: Fields that come more than once

    @Test("Of a scalar, the last value counts, even if it is the default")
    func lastWins() throws {
        let numbers: [UInt8] = [0x08, 0x01, 0x10, 0x01, 0x18, 0x01, 0x20, 0x01, 0x38, 0x01, 0x48, 0x01]
        let texts: [UInt8] = [0x2a, 0x01, 0x61, 0x32, 0x01, 0x61, 0x52, 0x01, 0x61]
        let zeros: [UInt8] = [0x08, 0x00, 0x10, 0x00, 0x18, 0x00, 0x20, 0x00, 0x38, 0x00, 0x48, 0x00]
        let empty: [UInt8] = [0x2a, 0x00, 0x32, 0x00, 0x52, 0x00]
        var ones = Everything(signed: 1, unsigned: 1, small: 1, flag: true, text: "a", data: [0x61], color: .green)
        ones.chosenNumber = 1
        ones.chosenData = [0x61]
        #expect(try decode(zeros + empty + numbers + texts) == ones)
        #expect(try decode(numbers + texts + zeros + empty) == Everything(chosenNumber: 0, chosenData: []))
    }

    @Test("Parts of one message are merged: of scalars the last, of lists all")
    func merging() throws {
        for tag: UInt8 in [0x42, 0x5a] {
            let parts: [[UInt8]] = [[0x08, 0x01, 0x12, 0x01, 0x61], [0x12, 0x01, 0x62], [0x08, 0x03], []]
            let message = try decode(parts.flatMap { [tag, UInt8($0.count)] + $0 })
            let merged = tag == 0x42 ? message.plain : message.chosenLeaf
            #expect(merged == Everything.Leaf(number: 3, names: ["a", "b"]))
        }
    }

    @Test("Each occurrence of a repeated message adds an element")
    func repeated() throws {
        let message = try decode([0x7a, 2, 0x08, 0x01, 0x7a, 0, 0x7a, 2, 0x08, 0x03])
        #expect(message.leaves.map(\.number) == [1, 0, 3])
    }

    @Test("Parts of one message are merged in time in proportion to their number")
    func mergingInPlace() throws {
        // Each part adds an operation. If each copied all before it, this took minutes.
        let count = 100_000
        let part: [UInt8] = [0x22, 0x04, 0x1a, 0x02, 0x12, 0x00]
        let start = ContinuousClock.now
        let bytes = Array(repeatElement(part, count: count).joined())
        // This many parts with so few bytes exceed the usual budget.
        let result = Wire.ResponseOp.decoded(from: bytes, budget: .max)
        #expect(try result.get().transaction?.responses.count == count)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    // MARK: Depth

    @Test("Messages may be nested 100 deep, not 101")
    func messageDepth() {
        #expect(Tree.decoded(from: Tree.nested(100).encoded) == .success(.nested(100)))
        #expect(Tree.decoded(from: Tree.nested(101).encoded) == .failure(.tooDeep))
    }

    @Test("Unknown groups may be nested 100 deep, together with the messages around them")
    func groupDepth() {
        func groups(_ depth: Int) -> [UInt8] {
            Array(repeating: 0x13, count: depth) + Array(repeating: 0x14, count: depth)
        }
        #expect(Tree.decoded(from: groups(100)) == .success(Tree()))
        #expect(Tree.decoded(from: groups(101)) == .failure(.tooDeep))
        #expect(Tree.decoded(from: [0x0a, 100] + groups(50)) == .success(.nested(1)))
        #expect(Tree.decoded(from: [0x0a, 0xc6, 0x01] + groups(99)) == .success(.nested(1)))
        #expect(Tree.decoded(from: [0x0a, 0xc8, 0x01] + groups(100)) == .failure(.tooDeep))
        #expect(Tree.decoded(from: Array(repeating: 0x13, count: 1_000_000)) == .failure(.tooDeep))
    }

    // MARK: Values

    @Test("Enumeration values that we do not know survive")
    func unknownEnum() throws {
        for number: Int32 in [3, 77, .max, -1, .min] {
            let color = Everything.Color(rawValue: number)
            let message = Everything(color: color, colors: [color])
            #expect(try decode(message.encoded) == message)
            #expect(try decode(message.encoded).color.rawValue == number)
        }
    }

    @Test("Lists of enumeration values come packed, unpacked, or both")
    func packed() throws {
        let message = try decode([0x70, 0x01, 0x72, 0x02, 0x02, 0x00, 0x72, 0x00, 0x70, 0x02])
        #expect(message.colors == [.green, .blue, .red, .blue])
    }

    @Test("Text that is not UTF-8 is mended")
    func invalidText() throws {
        let message = try decode([0x2a, 0x04, 0x61, 0xff, 0xc3, 0x62, 0x62, 0x02, 0xed, 0xa0])
        #expect(message.text == "a\u{fffd}\u{fffd}b")
        #expect(message.texts.count == 1)
        #expect(message.texts.first?.unicodeScalars.allSatisfy { $0 == "\u{fffd}" } == true)
    }

    @Test("An empty input is a message of defaults")
    func empty() throws {
        #expect(try decode([]) == Everything())
    }
}
