// SPDX-License-Identifier: Apache-2.0

/// Who gets which part of a split.
///
/// The place of a subject is a 32-bit hash of the split's group and the subject, taken as a fraction. It does not depend
/// on the weights, so a part that grows at the expense of its successors keeps all that it has.
struct Rollout: Sendable {
    /// Where each part ends, in the sum of all weights.
    private let ends: [UInt64]

    /// A split by weights, none of them negative, whose sum is from 1 to 2^31 - 1.
    init?(_ weights: [Int]) {
        var sum = 0
        var ends: [UInt64] = []
        for weight in weights {
            guard weight >= 0, weight <= Int(Int32.max) - sum else { return nil }
            sum += weight
            ends.append(UInt64(sum))
        }
        if sum == 0 { return nil }
        self.ends = ends
    }

    /// The number of the part that `subject` is in.
    func part(of subject: String, in group: String) -> Int {
        var hash = MurmurHash3()
        hash.combine(group)
        hash.combine(UInt8(ascii: ":"))
        hash.combine(subject)
        let bucket = (UInt64(hash.value) * (ends.last ?? 0)) >> 32
        return ends.firstIndex { bucket < $0 } ?? 0
    }
}

/// MurmurHash3, the variant for x86 with 32 bits.
struct MurmurHash3 {
    private var hash: UInt32
    /// The bytes of a block that is not complete.
    private var block: UInt32 = 0
    private var count: UInt32 = 0

    init(seed: UInt32 = 0) { hash = seed }

    mutating func combine(_ byte: UInt8) {
        block |= UInt32(byte) << (8 * (count % 4))
        count &+= 1
        if count % 4 == 0 {
            hash ^= Self.scrambled(block)
            hash = (hash << 13 | hash >> 19) &* 5 &+ 0xe654_6b64
            block = 0
        }
    }

    mutating func combine(_ text: String) {
        for byte in text.utf8 { combine(byte) }
    }

    var value: UInt32 {
        var value = hash ^ Self.scrambled(block) ^ count
        value = (value ^ value >> 16) &* 0x85eb_ca6b
        value = (value ^ value >> 13) &* 0xc2b2_ae35
        return value ^ value >> 16
    }

    private static func scrambled(_ block: UInt32) -> UInt32 {
        let product = block &* 0xcc9e_2d51
        return (product << 15 | product >> 17) &* 0x1b87_3593
    }
}
