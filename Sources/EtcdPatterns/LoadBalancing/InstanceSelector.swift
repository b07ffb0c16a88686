// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Chooses instances by a policy: a value that lives with the pool, under the lock of its balancer.
protocol InstanceSelector: Sendable {
    /// Chooses one of `candidates`, of which there is at least one; they are indices of `members`.
    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int
}

/// The input of a choice besides the instances.
struct SelectionRequest: Sendable {
    /// The hash of the key, if there is one.
    var keyHash: UInt64?
    let now: ContinuousClock.Instant
}

struct RoundRobinSelector: InstanceSelector {
    private var turn: UInt64

    /// The first instance is random, so that many clients that start together do not all begin with the same one.
    init(_ random: SplitMix64) {
        var random = random
        turn = random.next()
    }

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        turn &+= 1
        return candidates[Int(turn % UInt64(candidates.count))]
    }
}

/// Smooth weighted round robin: each instance earns its weight with each choice, and the one with the highest credit is
/// chosen and pays the sum.
struct WeightedRoundRobinSelector: InstanceSelector {
    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        var best = candidates[0]
        var total = 0
        for index in candidates {
            total += members[index].weight
            members[index].credit += members[index].weight
            if members[index].credit > members[best].credit { best = index }
        }
        members[best].credit -= total
        return best
    }
}

struct RandomSelector: InstanceSelector {
    var random: SplitMix64

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        candidates[Int.random(in: candidates.indices, using: &random)]
    }
}

struct WeightedRandomSelector: InstanceSelector {
    var random: SplitMix64

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        var total = 0
        for index in candidates { total += members[index].weight }
        var rest = Int.random(in: 0..<total, using: &random)
        for index in candidates {
            rest -= members[index].weight
            if rest < 0 { return index }
        }
        return candidates[0]
    }
}

struct LeastConnectionsSelector: InstanceSelector {
    var random: SplitMix64

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        var best = candidates[0]
        var weightOfEquals = 0
        for index in candidates {
            let load = members[index].inFlight * members[best].weight
            let lowest = members[best].inFlight * members[index].weight
            if load < lowest {
                (best, weightOfEquals) = (index, members[index].weight)
            } else if load == lowest {
                weightOfEquals += members[index].weight
                if Int.random(in: 0..<weightOfEquals, using: &random) < members[index].weight { best = index }
            }
        }
        return best
    }
}
