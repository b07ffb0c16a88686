// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Which member shall own which shard: the same for all who have the same members.
///
/// Rendezvous hashing with bounded load. Of all pairs of a shard and a member, the one of the greatest weight goes first,
/// and each goes through whose shard is free and whose member has room. So no member has more than an eighth above the
/// average, and since the order of the pairs does not depend on who is there, little moves that need not.
enum ShardAssignment {
    /// How many shards a member has at most.
    static func capacity(shards: Int, members: Int) -> Int {
        members > 0 ? (9 * shards + 8 * members - 1) / (8 * members) : 0
    }

    private struct Pair {
        let weight: UInt64
        let shard: Int32
        let member: Int32
    }

    static func owners(of shards: [Key], among members: [Key]) -> [Key: Key] {
        // In the order of their bytes, so that equal weights mean the same everywhere.
        let (shards, members) = (shards.sorted(), members.sorted())
        let hashes = members.map { RendezvousHash.hash($0.bytes) }
        var pairs: [Pair] = []
        pairs.reserveCapacity(shards.count * members.count)
        for (shard, key) in zip(Int32(0)..., shards) {
            let hash = RendezvousHash.hash(key.bytes)
            for (member, weight) in zip(Int32(0)..., hashes) {
                pairs.append(Pair(weight: RendezvousHash.weight(weight, hash), shard: shard, member: member))
            }
        }
        pairs.sort { ($1.weight, $0.shard, $0.member) < ($0.weight, $1.shard, $1.member) }
        let capacity = capacity(shards: shards.count, members: members.count)
        var loads = Array(repeating: 0, count: members.count)
        var owners: [Key: Key] = [:]
        for pair in pairs where loads[Int(pair.member)] < capacity {
            let shard = shards[Int(pair.shard)]
            guard owners[shard] == nil else { continue }
            owners[shard] = members[Int(pair.member)]
            loads[Int(pair.member)] += 1
        }
        return owners
    }
}
