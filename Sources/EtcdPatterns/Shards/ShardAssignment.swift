// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The assignment of shards to members, which depends on nothing but both.
///
/// It is rendezvous hashing with bounded load. Pairs of a shard and a member are taken in the order of their weights, and a
/// pair counts if its shard is free and its member has room. So no member has more than an eighth above the average. The
/// order of the pairs does not depend on the other members, so few shards move when members come and go.
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
