// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

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

/// Chooses the instance with the highest hash of key and instance, among those that are not above the bound.
struct RendezvousSelector: InstanceSelector {
    let excess: Double?
    var random: SplitMix64

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        let keyHash = request.keyHash ?? random.next()
        let share = loadPerWeight(candidates, members)
        var best: (index: Int, hash: UInt64)?
        for index in candidates {
            // At least one is below its limit, since the sum of all limits exceeds the number of requests.
            if let share, Double(members[index].inFlight) >= (share * Double(members[index].weight)).rounded(.up) {
                continue
            }
            let hash = RendezvousHash.weight(members[index].hash, keyHash)
            if let other = best, !Self.precedes(hash, members[index].weight, other.hash, members[other.index].weight) {
                continue
            }
            best = (index, hash)
        }
        return best?.index ?? candidates[0]
    }

    /// The limit of requests in flight for each unit of weight, with the new request; nil without a bound.
    private func loadPerWeight(_ candidates: [Int], _ members: [PoolMember]) -> Double? {
        guard let excess else { return nil }
        var (load, weight) = (1, 0)
        for index in candidates {
            load += members[index].inFlight
            weight += members[index].weight
        }
        return Double(load) * (1 + excess) / Double(weight)
    }

    /// Whether the instance with the first hash comes first.
    private static func precedes(_ hash: UInt64, _ weight: Int, _ otherHash: UInt64, _ otherWeight: Int) -> Bool {
        if weight == otherWeight { return hash > otherHash }
        // Of exponential delays, each is the shortest with a probability in proportion to its rate.
        return -log(fraction(hash)) / Double(weight) < -log(fraction(otherHash)) / Double(otherWeight)
    }

    /// A number above 0 and below 1.
    private static func fraction(_ hash: UInt64) -> Double { (Double(hash >> 11) + 0.5) / 0x1p53 }
}

/// Chooses the fastest of a few random instances.
struct PeakEWMASelector: InstanceSelector {
    /// Up to this number, all candidates are compared.
    static let few = 8

    let choices: Int
    let decay: Duration
    var random: SplitMix64
    /// The latency of an instance that has not answered yet, in seconds.
    private(set) var median = 0.0
    /// The number of choices after which the median is computed anew.
    private(set) var medianLife = 0

    mutating func select(from candidates: [Int], of members: inout [PoolMember], for request: SelectionRequest) -> Int {
        updateMedian(candidates, members)
        let count = candidates.count
        let drawsAll = count <= max(Self.few, choices)
        var place = Int.random(in: 0..<count, using: &random)
        var best = candidates[place]
        var lowest = cost(of: members[best], at: request.now)
        for _ in 1..<max(1, drawsAll ? count : choices) {
            // Each draw differs from the one before. If all candidates are compared, each comes once.
            place = (place + (drawsAll ? 1 : Int.random(in: 1..<count, using: &random))) % count
            let cost = cost(of: members[candidates[place]], at: request.now)
            if cost < lowest { (best, lowest) = (candidates[place], cost) }
        }
        return best
    }

    private func cost(of member: PoolMember, at now: ContinuousClock.Instant) -> Double {
        let latency = member.latency.expected(at: now, isIdle: member.inFlight == 0, decay: decay) ?? median
        // With a millionth of a second, the requests in flight count also while no latency is known.
        return (latency + 1e-6) * Double(member.inFlight + 1) / Double(member.weight)
    }

    private mutating func updateMedian(_ candidates: [Int], _ members: [PoolMember]) {
        medianLife -= 1
        if medianLife > 0 { return }
        medianLife = max(64, candidates.count)
        median = LatencyEstimate.median(of: candidates.lazy.map { members[$0].latency }) ?? 0
    }
}
