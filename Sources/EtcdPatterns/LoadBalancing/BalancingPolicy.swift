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

    /// One after the other, from a random one on; weights are ignored.
    public static let roundRobin = Self(kind: .roundRobin)

    /// In proportion to the weights, and evenly spread: "smooth" round robin, as nginx has it.
    ///
    /// In each cycle, which is as long as the sum of the weights, each instance has exactly its share.
    public static let weightedRoundRobin = Self(kind: .weightedRoundRobin)

    /// By chance, each as likely.
    public static let random = Self(kind: .random)

    /// By chance, in proportion to the weights.
    public static let weightedRandom = Self(kind: .weightedRandom)

    /// The one with the fewest requests in flight for its weight, by chance (and weight) among equals.
    public static let leastConnections = Self(kind: .leastConnections)

    /// The fastest of some that are drawn: the lowest product of latency and requests in flight, for its weight.
    ///
    /// The latency is an average in which older answers count for less, and which a slower answer raises at once ("peak
    /// EWMA"), as a failure does. An instance without requests seems faster from moment to moment, so that a slow one is
    /// tried again: with one request, until that is answered. So is a new one, which is taken for the median meanwhile.
    ///
    /// - Parameters:
    ///   - choices: How many are drawn, at least 2. More find the fast ones surer when many are slow. When there are no more
    ///     than eight instances, all are looked at.
    ///   - decay: After which time an answer counts for about a third.
    /// - Returns: The policy.
    public static func peakEWMA(choices: Int = 2, decay: Duration = .seconds(10)) -> Self {
        Self(kind: .peakEWMA(choices: max(2, choices), decay: max(.milliseconds(1), decay)))
    }

    /// The same instance for the same key, in every process ("rendezvous hashing"); a random one without a key.
    ///
    /// When an instance goes, only its keys move; when one comes, only those that are its own. Keys are in proportion to the
    /// weights. The bound keeps popular keys from overloading an instance: a request whose instance has more in flight than
    /// its share and the excess goes to the next one in the order of its key.
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
