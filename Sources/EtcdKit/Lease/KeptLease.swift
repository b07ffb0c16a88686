// SPDX-License-Identifier: Apache-2.0

/// A lease that is kept alive, with its subscriptions.
@EventLoop
final class KeptLease {
    nonisolated let id: Lease.ID
    var timeline: LeaseTimeline
    /// How long the lease lives after a renewal, once that is known.
    var timeToLive: Duration?
    /// The stream that the keeper has chosen for the lease.
    var stream: LeaseStream?
    /// The place in the keeper's agenda.
    var slot: Int64?
    /// How often its renewals had to move to another stream.
    private(set) var interruptions = 0
    private var streamNumber: Int?
    /// The lease is kept for as long as there are any.
    var subscriptions: [LeaseSubscription] = []

    init(_ id: Lease.ID) {
        self.id = id
        timeline = LeaseTimeline(now: .now, granted: nil)
    }

    /// Takes the grant of the lease, which may become known later than its number.
    func granted(_ lease: Lease) {
        timeline.granted(lease)
        timeToLive = timeToLive ?? lease.timeToLive
    }

    /// A renewal was sent over the stream of this number.
    func sent(at instant: MonotonicInstant, over number: Int) {
        timeline.sent(at: instant)
        if let streamNumber, streamNumber != number { interruptions += 1 }
        streamNumber = number
    }

    func publish(_ update: LeaseSubscription.Update) {
        for subscription in subscriptions { subscription.publish(update) }
    }

    func end(_ error: EtcdError) {
        timeline.end()
        for subscription in subscriptions { subscription.end(error) }
        subscriptions = []
    }
}
