// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The conditions under which instances that vanish together are kept, since etcd may have lost them.
///
/// A store that was restored from a backup has lost its newest entries, and a leader that was paused may revoke leases
/// that are alive (etcd-io/etcd#15247). The instances themselves are healthy, and register again. Until then they are kept
/// as suspects. A single instance that crashes is removed at once, and so is an instance that has deregistered.
public struct MassLossProtection: Sendable, Hashable {
    /// The share of the instances that must be missing, from 0 to 1.
    public var share = 0.5
    /// The number of instances that must have vanished, at least.
    public var minimum = 3
    /// The time within which they must have vanished.
    public var window = Duration.seconds(5)
    /// How long a suspect is kept, unless it registers again.
    public var grace = Duration.seconds(30)

    /// Makes the protection that is used by default.
    public init() {}
}

/// The instances that have vanished lately without deregistering, and whether etcd has lost them.
struct MassLosses: Sendable {
    private struct Vanishing {
        let instance: ServiceInstance
        let instant: ContinuousClock.Instant
        /// The number of instances before.
        let count: Int
        let number: Int
    }

    private let protection: MassLossProtection
    private var vanished: [Key: Vanishing] = [:]
    /// The order in which they have vanished.
    ///
    /// An instance that `vanished` does not have under this number does not count.
    private var order: ArraySlice<(id: Key, number: Int)> = []
    /// The number of instances at the beginning of `order` that were returned as victims.
    private var judged = 0
    private var lastNumber = 0

    init(_ protection: MassLossProtection) { self.protection = protection }

    /// The time for which a victim is kept.
    var grace: Duration { protection.grace.bounded }

    mutating func note(_ id: Key, _ instance: ServiceInstance, of count: Int, _ now: ContinuousClock.Instant) {
        lastNumber += 1
        vanished[id] = Vanishing(instance: instance, instant: now, count: count, number: lastNumber)
        order.append((id, lastNumber))
    }

    /// Forgets an instance that is there again, or is given up.
    mutating func forget(_ id: Key) { vanished[id] = nil }

    /// Returns the instances that have turned out to be victims since the last call: those that have vanished lately,
    /// if they are many and fewer new ones have come.
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
