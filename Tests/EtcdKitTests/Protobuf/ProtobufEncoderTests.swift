// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("ProtobufEncoder", .unit, .timeLimit(.minutes(1)))
struct ProtobufEncoderTests {
    @Test("Defaults are left out")
    func defaults() {
        #expect(Everything().encoded.isEmpty)
    }

    @Test("Members of a oneof are written with their defaults, too")
    func oneof() {
        #expect(Everything(chosenNumber: 0).encoded == [0x48, 0x00])
        #expect(Everything(chosenData: []).encoded == [0x52, 0x00])
        #expect(Everything(chosenLeaf: Everything.Leaf()).encoded == [0x5a, 0x00])
    }

    @Test("Elements of a list are written with their defaults, too")
    func elements() {
        let message = Everything(texts: [""], datas: [[]], colors: [.red], leaves: [Everything.Leaf()])
        #expect(message.encoded == [0x62, 0x00, 0x6a, 0x00, 0x72, 0x01, 0x00, 0x7a, 0x00])
    }

    @Test("A message that is not empty is written, however little is in it")
    func smallMessage() {
        #expect(Everything(plain: Everything.Leaf(names: [""])).encoded == [0x42, 0x02, 0x12, 0x00])
        #expect(Everything(plain: Everything.Leaf(number: 1)).encoded == [0x42, 0x02, 0x08, 0x01])
    }

    @Test("Negative numbers take ten bytes")
    func negative() {
        let minusOne: [UInt8] = Array(repeating: 0xff, count: 9) + [0x01]
        #expect(Everything(signed: -1).encoded == [0x08] + minusOne)
        #expect(Everything(color: Everything.Color(rawValue: -1)).encoded == [0x38] + minusOne)
        #expect(Everything(unsigned: .max).encoded == [0x10] + minusOne)
        #expect(Everything(small: .max).encoded == [0x18, 0xff, 0xff, 0xff, 0xff, 0x0f])
    }

    @Test("Lists of enumeration values are packed")
    func packed() {
        #expect(Everything(colors: [.green, .red, .blue]).encoded == [0x72, 0x03, 0x01, 0x00, 0x02])
    }

    @Test("Tags have as many bytes as their numbers need")
    func tags() {
        let message = Everything(twoByteTag: 1, threeByteTag: 1, fourByteTag: 1, fiveByteTag: 1)
        let tags: [[UInt8]] = [
            [0x80, 0x01], [0x80, 0x80, 0x01], [0x80, 0x80, 0x80, 0x01], [0xf8, 0xff, 0xff, 0xff, 0x0f],
        ]
        #expect(message.encoded == tags.flatMap { $0 + [1] })
    }

    @Test(
        "Lengths of nested messages take as many bytes as they need",
        arguments: [
            (125, [0x7f]), (126, [0x80, 0x01]), (16_380, [0xff, 0x7f]), (16_381, [0x80, 0x80, 0x01]),
        ] as [(Int, [UInt8])]
    )
    func lengths(_ textLength: Int, _ prefix: [UInt8]) throws {
        let text = String(repeating: "x", count: textLength)
        let leaf = Everything.Leaf(names: [text])
        let content = leaf.encoded
        #expect(content.count == textLength + (textLength < 128 ? 2 : 3))
        for (tag, message) in [
            (0x42, Everything(plain: leaf)), (0x5a, Everything(chosenLeaf: leaf)), (0x7a, Everything(leaves: [leaf])),
        ] as [(UInt8, Everything)] {
            #expect(message.encoded == [tag] + prefix + content)
            #expect(Everything.decoded(from: message.encoded) == .success(message))
        }
    }

    @Test("Nested messages of every depth have the right lengths")
    func nesting() {
        for depth in 0...100 {
            let expected = (0..<depth).reduce(into: [UInt8]()) { bytes, _ in
                let length = UInt8(truncatingIfNeeded: bytes.count & 0x7f)
                bytes = (bytes.count < 128 ? [0x0a, length] : [0x0a, length | 0x80, UInt8(bytes.count >> 7)]) + bytes
            }
            #expect(Tree.nested(depth).encoded == expected)
        }
    }

    @Test("The encoding is appended to the bytes that are there")
    func appending() {
        var bytes: [UInt8] = [1, 2, 3]
        ProtobufEncoder.encode(Everything(signed: 5, leaves: [Everything.Leaf(number: 1)]), into: &bytes)
        #expect(bytes == [1, 2, 3, 0x08, 0x05, 0x7a, 0x02, 0x08, 0x01])
    }
}
