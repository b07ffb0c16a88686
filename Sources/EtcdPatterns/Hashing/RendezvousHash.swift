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
