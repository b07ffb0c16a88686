// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Makes bytes that a decoder does not expect, the same ones for the same seed.
struct Mutator {
    private let corpus: [[UInt8]]
    private var generator: SplitMix64

    init(corpus: [[UInt8]], seed: UInt64) {
        self.corpus = corpus
        generator = SplitMix64(seed: seed)
    }

    /// One to four changes of a valid encoding, or now and then random bytes.
    mutating func next() -> [UInt8] {
        if chance(16) { return random(below: 64) }
        var bytes = corpus.randomElement(using: &generator) ?? []
        repeat { mutate(&bytes) } while bytes.count < 4096 && chance(2)
        return bytes
    }

    private mutating func mutate(_ bytes: inout [UInt8]) {
        let position = Int.random(in: 0...bytes.count, using: &generator)
        let other = Int.random(in: position...bytes.count, using: &generator)
        switch Int.random(in: 0..<12, using: &generator) {
        case 0..<3 where position < bytes.count:
            bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 3 where position < bytes.count:
            // Many a byte is a length.
            bytes[position] = [0x00, 0x01, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
        case 4:
            // A length that only 64 bits hold.
            let count = Int.random(in: 1...10, using: &generator)
            bytes.insert(contentsOf: Array(repeating: 0xff, count: count), at: position)
        case 5:
            bytes.removeSubrange(position...)
        case 6:
            bytes.removeSubrange(position..<other)
        case 7:
            bytes.insert(contentsOf: random(below: 8), at: position)
        case 8:
            let end = corpus.randomElement(using: &generator) ?? []
            bytes.replaceSubrange(position..., with: end.dropFirst(Int.random(in: 0...end.count, using: &generator)))
        case 9:
            let times = Int.random(in: 1...8, using: &generator)
            bytes.insert(contentsOf: Array(repeatElement(bytes[position..<other], count: times).joined()), at: other)
        case 10 where bytes.count < 128:
            let number = UInt8.random(in: 1..<16, using: &generator)
            bytes = [number << 3 | 2, UInt8(bytes.count)] + bytes
        default:
            let number = UInt8.random(in: 1..<16, using: &generator)
            bytes.insert(number << 3 | 3, at: position)
            if chance(2) { bytes.insert(number << 3 | 4, at: other + 1) }
        }
    }

    private mutating func chance(_ oneIn: Int) -> Bool {
        Int.random(in: 0..<oneIn, using: &generator) == 0
    }

    private mutating func random(below limit: Int) -> [UInt8] {
        (0..<Int.random(in: 0..<limit, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
}
