// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

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
