// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Chooses the fastest of a few random instances.
struct PeakEWMASelector: InstanceSelector {
    /// Up to this number, all candidates are compared.
    static let few = 8

    let choices: Int
    let decay: Duration
    var random: SplitMix64
    /// The latency of an instance that has not answered yet, in seconds.
    private var median = 0.0
    /// The number of choices after which the median is computed anew.
    private var medianLife = 0

    init(choices: Int, decay: Duration, random: SplitMix64) {
        self.choices = choices
        self.decay = decay
        self.random = random
    }

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
