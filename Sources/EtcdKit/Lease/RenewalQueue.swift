// SPDX-License-Identifier: Apache-2.0

/// The renewals of a stream, those that are due and those that were sent: a value without clock and I/O.
struct RenewalQueue {
    /// A renewal that was sent.
    struct Renewal {
        let lease: KeptLease
        let sent: MonotonicInstant
    }

    /// How many renewals may be unanswered: more would only wait at the server, where they cannot be put in order.
    private static let window = 256
    /// While fewer are unanswered, one of them may be sent again.
    private static let windowForRepetition = 32

    /// The leases whose renewal is not sent yet, the one with the earliest deadline first.
    private var due = DeadlineHeap<KeptLease>()
    private var places: [Lease.ID: DeadlineHeap<KeptLease>.ID] = [:]
    /// The renewals that are not answered yet, the oldest first.
    ///
    /// A renewal stays when its lease has left: otherwise its late answer would count for a newer renewal.
    private var sent: [Renewal] = []
    /// The renewals before this one were answered.
    private var start = 0

    var hasDue: Bool { due.count > 0 }

    /// The renewal that has waited longest for its answer.
    var oldestUnanswered: Renewal? { start < sent.count ? sent[start] : nil }

    /// So few renewals are unanswered that one of them may be sent again.
    var allowsRepetition: Bool { unansweredCount < Self.windowForRepetition }

    private var unansweredCount: Int { sent.count - start }

    mutating func insert(_ lease: KeptLease, deadline: MonotonicInstant) {
        remove(lease.id)
        places[lease.id] = due.insert(lease, at: deadline)
    }

    /// Removes the renewal of a lease that is not sent yet.
    mutating func remove(_ id: Lease.ID) {
        if let place = places.removeValue(forKey: id) { due.remove(place) }
    }

    /// Takes the lease whose renewal is sent at `now`; nil if none is due, or too many are unanswered.
    mutating func popNext(at now: MonotonicInstant) -> KeptLease? {
        guard unansweredCount < Self.window, let first = due.earliest, let lease = due.popDue(at: first) else {
            return nil
        }
        places[lease.id] = nil
        sent.append(Renewal(lease: lease, sent: now))
        return lease
    }

    /// Takes the oldest renewal of a lease that is not answered: the first of all, as answers come in order.
    mutating func answered(_ id: Lease.ID) -> Renewal? {
        guard let index = sent[start...].firstIndex(where: { $0.lease.id == id }) else { return nil }
        let renewal = sent[index]
        if index > start {
            sent.remove(at: index)
        } else {
            start += 1
            if start * 2 > sent.count {
                sent.removeFirst(start)
                start = 0
            }
        }
        return renewal
    }

    /// Takes the leases whose renewals will not be answered any more.
    mutating func takeUnanswered() -> [KeptLease] {
        defer { (sent, start) = ([], 0) }
        return sent[start...].map(\.lease)
    }
}
