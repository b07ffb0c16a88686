// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances that have vanished lately without a word, and whether they are victims of etcd.
struct MassLosses: Sendable {
    private struct Vanishing {
        let instance: ServiceInstance
        let instant: ContinuousClock.Instant
        /// How many instances there were before.
        let count: Int
        let number: Int
    }

    private let protection: MassLossProtection
    private var vanished: [Key: Vanishing] = [:]
    /// In the order in which they have vanished; one that is not in `vanished` under its number does not count any more.
    private var order: ArraySlice<(id: Key, number: Int)> = []
    /// How many of the order have been taken for victims.
    private var judged = 0
    private var lastNumber = 0

    init(_ protection: MassLossProtection) { self.protection = protection }

    /// How long a victim is kept.
    var grace: Duration { protection.grace.bounded }

    mutating func note(_ id: Key, _ instance: ServiceInstance, of count: Int, _ now: ContinuousClock.Instant) {
        lastNumber += 1
        vanished[id] = Vanishing(instance: instance, instant: now, count: count, number: lastNumber)
        order.append((id, lastNumber))
    }

    /// The instance is there again, or is given up.
    mutating func forget(_ id: Key) { vanished[id] = nil }

    /// Those that have turned out to be victims since the last call: those that have vanished lately, if they are many and
    /// nobody has come in their place.
    mutating func takeVictims(leaving count: Int, _ now: ContinuousClock.Instant) -> [(id: Key, ServiceInstance)] {
        let oldest = now - protection.window.bounded
        while let (id, number) = order.first {
            if let known = vanished[id], known.number == number {
                if known.instant >= oldest { break }
                vanished[id] = nil
            }
            order.removeFirst()
            judged = max(0, judged - 1)
        }
        guard let first = order.first.flatMap({ vanished[$0.id] }), vanished.count >= protection.minimum,
            Double(count) < Double(first.count) * (1 - protection.share)
        else { return [] }
        defer { judged = order.count }
        return order.dropFirst(judged).compactMap { id, number in
            vanished[id].flatMap { $0.number == number ? (id, $0.instance) : nil }
        }
    }
}
