// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The fastest of a few that are drawn.
struct PeakEWMASelector: InstanceSelector {
    /// So many are not drawn from, but all looked at.
    static let few = 8

    let choices: Int
    let decay: Duration
    var random: SplitMix64
    /// What an instance is taken for that has not answered yet, in seconds.
    private var median = 0.0
    /// After so many more choices the median is looked for anew.
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
            // Each draw is another one than the one before; with all, each is another one.
            place = (place + (drawsAll ? 1 : Int.random(in: 1..<count, using: &random))) % count
            let cost = cost(of: members[candidates[place]], at: request.now)
            if cost < lowest { (best, lowest) = (candidates[place], cost) }
        }
        return best
    }

    private func cost(of member: PoolMember, at now: ContinuousClock.Instant) -> Double {
        let latency = member.latency.expected(at: now, isIdle: member.inFlight == 0, decay: decay) ?? median
        // A millionth of a second keeps the requests in flight in the product where nothing is known of anyone.
        return (latency + 1e-6) * Double(member.inFlight + 1) / Double(member.weight)
    }

    private mutating func updateMedian(_ candidates: [Int], _ members: [PoolMember]) {
        medianLife -= 1
        if medianLife > 0 { return }
        medianLife = max(64, candidates.count)
        median = LatencyEstimate.median(of: candidates.lazy.map { members[$0].latency }) ?? 0
    }
}
