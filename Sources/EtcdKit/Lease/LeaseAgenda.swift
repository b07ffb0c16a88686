// SPDX-License-Identifier: Apache-2.0

/// Leases ordered by the time of their next action.
///
/// Time is divided into slots, so that leases of one slot are handled together, and their requests are sent together. A
/// lease may come up to a slot late, or early: its owner checks its timeline, and notes it again.
struct LeaseAgenda {
    /// The length of a slot in milliseconds, by which a lease may be late.
    private static let slotLength: Int64 = 50
    /// How far ahead a lease is noted at most, in slots: one that has ended is held until it comes.
    private static let horizon: Int64 = 600

    /// The leases of each slot, which come when it is over.
    private var slots: [Int64: [KeptLease]] = [:]

    /// When the first leases come.
    var earliest: MonotonicInstant? { slots.keys.min().map { .end(ofSlot: $0, of: Self.slotLength) } }

    /// Notes that `lease` is to come at `time`, unless it comes before anyway.
    ///
    /// - Returns: When it comes, if that is new.
    @EventLoop
    mutating func note(_ lease: KeptLease, at time: MonotonicInstant, now: MonotonicInstant) -> MonotonicInstant? {
        let present = now.slot(of: Self.slotLength)
        let slot = min(max(time.slot(of: Self.slotLength), present), present + Self.horizon)
        if let noted = lease.slot, noted <= slot { return nil }
        lease.slot = slot
        slots[slot, default: []].append(lease)
        return .end(ofSlot: slot, of: Self.slotLength)
    }

    /// Takes the leases that are due.
    @EventLoop
    mutating func takeDue(at now: MonotonicInstant) -> [KeptLease] {
        let present = now.slot(of: Self.slotLength)
        var due: [KeptLease] = []
        for slot in slots.keys.filter({ $0 < present }).sorted() {
            // Those that were noted for an earlier slot since have come with that.
            for lease in slots.removeValue(forKey: slot) ?? [] where lease.slot == slot {
                lease.slot = nil
                due.append(lease)
            }
        }
        return due
    }
}
