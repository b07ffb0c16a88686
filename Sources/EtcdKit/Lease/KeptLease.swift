// SPDX-License-Identifier: Apache-2.0

/// A lease that is kept alive, and those who hear of it.
@EventLoop
final class KeptLease {
    nonisolated let id: Lease.ID
    var timeline: LeaseTimeline
    /// How long the lease lives after a renewal, once that is known.
    var timeToLive: Duration?
    /// What renews the lease.
    var stream: LeaseStream?
    /// The place in the keeper's agenda.
    var appointment: DeadlineHeap<KeptLease>.ID?
    /// The place in the queue of renewals that are due.
    var queued: DeadlineHeap<KeptLease>.ID?
    /// How often its renewals had to go on over another stream.
    private(set) var interruptions = 0
    private var streamNumber: Int?
    private var subscriptions: [LeaseSubscription] = []

    init(_ id: Lease.ID, granted: Lease?) {
        self.id = id
        timeline = LeaseTimeline(now: .now, granted: granted)
        timeToLive = granted?.timeToLive
    }

    var isWanted: Bool { !subscriptions.isEmpty }

    /// A renewal is sent on the stream of this number.
    func travels(on number: Int) {
        if let streamNumber, streamNumber != number { interruptions += 1 }
        streamNumber = number
    }

    func add(_ subscription: LeaseSubscription) {
        subscriptions.append(subscription)
    }

    func remove(_ subscription: LeaseSubscription) {
        subscriptions.removeAll { $0 === subscription }
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

/// One party that wants a lease kept alive and hears how it stands.
@EventLoop
final class LeaseSubscription {
    enum Update: Sendable {
        case renewed(LeaseRenewal, interruptions: Int)
        case atRisk(until: ContinuousClock.Instant, EtcdError?)
    }

    nonisolated let id: Lease.ID
    private var newest: Update?
    private var ending: EtcdError?
    private var waiting: Completion<Result<Update, EtcdError>>?

    init(_ id: Lease.ID) { self.id = id }

    /// The newest update that was not taken yet, or the end.
    ///
    /// One task may wait.
    func next() async -> Result<Update, EtcdError> {
        if let ending { return .failure(ending) }
        if let update = newest {
            newest = nil
            return .success(update)
        }
        let waiting = Completion<Result<Update, EtcdError>>()
        self.waiting = waiting
        return await waiting.wait {
            waiting.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
    }

    fileprivate func publish(_ update: Update) {
        if let waiting, !waiting.isComplete {
            waiting.complete(.success(update))
        } else {
            newest = update
        }
    }

    func end(_ error: EtcdError) {
        if ending == nil { ending = error }
        waiting?.complete(.failure(error))
    }
}
