// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// How a ``LoadBalancer`` chooses among the instances that take requests.
public struct BalancingPolicy: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case roundRobin
        case weightedRoundRobin
        case random
        case weightedRandom
        case leastConnections
        case peakEWMA(choices: Int, decay: Duration)
        case consistentHash(excess: Double?)
    }

    let kind: Kind

    /// One instance after the other, from a random one on; weights are ignored.
    public static let roundRobin = Self(kind: .roundRobin)

    /// In proportion to the weights, and evenly spread: the "smooth" weighted round robin of nginx.
    ///
    /// In each cycle, which is as long as the sum of the weights, each instance has exactly its share.
    public static let weightedRoundRobin = Self(kind: .weightedRoundRobin)

    /// At random, each with the same probability.
    public static let random = Self(kind: .random)

    /// At random, in proportion to the weights.
    public static let weightedRandom = Self(kind: .weightedRandom)

    /// The instance with the fewest requests in flight for its weight; a random one among equals.
    public static let leastConnections = Self(kind: .leastConnections)

    /// The fastest of some random instances: the lowest product of latency and requests in flight, for its weight.
    ///
    /// The latency is an average in which older answers count for less. A slower answer raises it at once ("peak EWMA"), and
    /// so does a failure. The latency of an instance without requests decays, so that a slow instance is tried again, with
    /// one request until that is answered. A new instance is tried in the same way, with the median latency meanwhile.
    ///
    /// - Parameters:
    ///   - choices: The number of random instances, at least 2. A larger number is better if many instances are slow. All
    ///     are compared if there are no more than eight.
    ///   - decay: The time after which an answer counts for about a third.
    /// - Returns: The policy.
    public static func peakEWMA(choices: Int = 2, decay: Duration = .seconds(10)) -> Self {
        Self(kind: .peakEWMA(choices: max(2, choices), decay: max(.milliseconds(1), decay)))
    }

    /// The same instance for the same key, in every process ("rendezvous hashing"); a random one without a key.
    ///
    /// If an instance goes, only its keys move. If an instance comes, only its own keys move. Keys are in proportion to the
    /// weights. The bound keeps popular keys from overloading an instance: if an instance has more requests in flight than
    /// its share and the excess, a request goes to the next instance in the order of its key.
    ///
    /// - Parameter excess: By how much the requests in flight at an instance may exceed its share, above 0: 0.25 for a
    ///   quarter; nil for no bound.
    /// - Returns: The policy.
    public static func consistentHash(excess: Double? = 0.25) -> Self {
        // "Not a number" is no bound either.
        Self(kind: .consistentHash(excess: excess.flatMap { $0 >= 0 ? $0 : nil }))
    }

    func makeSelector(_ random: SplitMix64) -> any InstanceSelector {
        switch kind {
        case .roundRobin: RoundRobinSelector(random)
        case .weightedRoundRobin: WeightedRoundRobinSelector()
        case .random: RandomSelector(random: random)
        case .weightedRandom: WeightedRandomSelector(random: random)
        case .leastConnections: LeastConnectionsSelector(random: random)
        case .peakEWMA(let choices, let decay): PeakEWMASelector(choices: choices, decay: decay, random: random)
        case .consistentHash(let excess): RendezvousSelector(excess: excess, random: random)
        }
    }
}
