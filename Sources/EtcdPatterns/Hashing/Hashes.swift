// SPDX-License-Identifier: Apache-2.0

/// Weights for rendezvous hashing: the member with the highest weight for a key owns it.
///
/// If a member goes, only its own keys move.
///
/// The same in all processes and versions: FNV-1a of 64 bits, and the finalizer of MurmurHash3.
enum RendezvousHash {
    static func hash(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return mix(hash)
    }

    /// The weight of a member with the hash `member` for a key with the hash `key`.
    static func weight(_ member: UInt64, _ key: UInt64) -> UInt64 { mix(member ^ key) }

    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 33)) &* 0xff51_afd7_ed55_8ccd
        value = (value ^ (value >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return value ^ (value >> 33)
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
