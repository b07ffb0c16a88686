// SPDX-License-Identifier: Apache-2.0

/// Keeps the leases of a client alive: knows when something is to be done for each, and which stream does it.
@EventLoop
final class LeaseKeeper {
    /// A server answers the renewals of one stream one after the other, so many leases take several streams.
    private static let leasesPerStream = 1_000
    private static let maximumStreams = 8

    private let channel: Channel
    private var leases: [Lease.ID: KeptLease] = [:]
    /// The streams that many leases share, and those of single leases.
    private(set) var streams: [LeaseStream] = []
    /// All leases, by when something is to be done for them next.
    private var agenda = DeadlineHeap<KeptLease>()
    private var timer: (id: EventLoop.Timer, due: ContinuousClock.Instant)?
    private var isClosed = false
    private var openedStreams = 0

    nonisolated init(_ channel: Channel) {
        self.channel = channel
    }

    // MARK: Subscriptions

    /// Keeps a lease alive until the subscription is cancelled or the lease has ended.
    ///
    /// With the lease as it was granted, it is judged from then on whether it lives.
    func subscribe(to id: Lease.ID, granted: Lease?) -> LeaseSubscription {
        let subscription = LeaseSubscription(id)
        if isClosed {
            subscription.end(EtcdError(.clientClosed, "the client is closed"))
            return subscription
        }
        let lease = leases[id] ?? KeptLease(id, granted: granted)
        lease.add(subscription)
        lease.timeline.renewSoon(at: .now)
        if leases.updateValue(lease, forKey: id) == nil { sharedStream().add(lease) }
        advance(lease)
        return subscription
    }

    func cancel(_ subscription: LeaseSubscription) {
        let error = EtcdError(.cancelled, "the lease is no longer kept alive")
        subscription.end(error)
        guard let lease = leases[subscription.id] else { return }
        lease.remove(subscription)
        if !lease.isWanted { remove(lease, error) }
    }

    /// Renews a lease and waits for the answer.
    func renewOnce(
        _ id: Lease.ID,
        deadline: ContinuousClock.Instant
    ) async throws(EtcdError) -> LeaseRenewal {
        let subscription = subscribe(to: id, granted: nil)
        let timer = EventLoop.schedule(at: deadline) { [weak self] in
            let isOpen = self?.leases[id]?.stream?.isOpen == true
            let error = isOpen ? nil : self?.channel.unavailability
            subscription.end(error ?? EtcdError(.deadlineExceeded, "no answer within the deadline"))
        }
        defer {
            EventLoop.cancel(timer)
            cancel(subscription)
        }
        while true {
            // That another's interest in the lease is at risk does not end the wait.
            if case .renewed(let renewal, _) = try await subscription.next().get() { return renewal }
        }
    }

    /// This client has revoked a lease.
    func revoked(_ id: Lease.ID) {
        if let lease = leases[id] { lose(lease, EtcdError(.leaseLost, "lease \(id) was revoked by this client")) }
    }

    func close() {
        isClosed = true
        for lease in leases.values { remove(lease, EtcdError(.clientClosed, "the client was closed")) }
        if let timer { EventLoop.cancel(timer.id) }
        timer = nil
    }

    // MARK: What streams report

    /// A renewal was answered.
    func answered(_ lease: KeptLease, sent: ContinuousClock.Instant, timeToLive: Int64, by endpoint: Endpoint) {
        // What has run out in the meantime stays lost: others may have acted on it.
        advance(lease)
        if lease.timeline.hasEnded { return }
        if timeToLive <= 0 {
            let reason = EtcdError(.leaseNotFound, "there is no lease \(lease.id) [\(endpoint)]")
            if lease.timeline.deadline == nil { return remove(lease, reason) }
            return lose(
                lease,
                EtcdError(.leaseLost, "lease \(lease.id) has expired or was revoked at the server", cause: reason)
            )
        }
        let timeToLive = Duration.seconds(timeToLive)
        lease.timeToLive = timeToLive
        let deadline = lease.timeline.answered(sent: sent, timeToLive: timeToLive, chance: .random(in: 0...1))
        guard let deadline else { return }
        let renewal = LeaseRenewal(id: lease.id, timeToLive: timeToLive, deadline: deadline)
        lease.publish(.renewed(renewal, interruptions: lease.interruptions))
        advance(lease)
    }

    /// A stream is open.
    ///
    /// - Returns: A number that no other has.
    func numberOfNewStream() -> Int {
        openedStreams += 1
        return openedStreams
    }

    /// A stream was ended by the server because of this lease perhaps, so it is renewed apart from the others.
    func separate(_ lease: KeptLease) {
        lease.stream?.remove(lease)
        let stream = LeaseStream(channel, self, isShared: false)
        streams.append(stream)
        stream.add(lease)
        stream.renew(lease)
    }

    /// A lease is no longer kept alive, for a reason that its users and the user of the client want to know.
    func lose(_ lease: KeptLease, _ error: EtcdError) {
        remove(lease, error)
        channel.context.report(.leaseLost(lease.id, error))
    }

    /// A stream has no leases any more.
    func discard(_ stream: LeaseStream) {
        streams.removeAll { $0 === stream }
    }

    // MARK: Times

    /// Does what is due for a lease, and notes when something is next.
    func advance(_ lease: KeptLease) {
        let now = ContinuousClock.now
        while let event = lease.timeline.nextEvent(by: now) {
            switch event {
            case .renewal:
                lease.stream?.renew(lease)
            case .risk(let deadline):
                let trouble = lease.stream?.trouble
                lease.publish(.atRisk(until: deadline, trouble))
                channel.context.report(.leaseAtRisk(lease.id, until: deadline, trouble))
                lease.stream?.leaveIfTooSlow()
            case .expiry:
                let text = "lease \(lease.id) was not renewed within its time to live"
                lose(lease, EtcdError(.leaseLost, text, cause: lease.stream?.trouble))
            }
        }
        reschedule(lease)
    }

    func reschedule(_ lease: KeptLease) {
        if let appointment = lease.appointment { agenda.remove(appointment) }
        lease.appointment = lease.timeline.nextEvent.map { agenda.insert(lease, at: $0) }
        setTimer()
    }

    private func setTimer() {
        // A timer that is early does no harm, and setting it anew for each renewal would.
        guard let earliest = agenda.earliest else { return }
        if let timer, timer.due <= earliest { return }
        if let timer { EventLoop.cancel(timer.id) }
        let id = EventLoop.schedule(at: earliest) { [weak self] in
            guard let self else { return }
            timer = nil
            let now = ContinuousClock.now
            while let lease = agenda.popDue(at: now) {
                lease.appointment = nil
                advance(lease)
            }
            setTimer()
        }
        timer = (id, earliest)
    }

    // MARK: Leases and streams

    private func sharedStream() -> LeaseStream {
        let shared = streams.filter(\.isShared)
        let emptiest = shared.min { $0.count < $1.count }
        let isFull = shared.count >= Self.maximumStreams
        if let emptiest, emptiest.count < Self.leasesPerStream || isFull { return emptiest }
        let stream = LeaseStream(channel, self, isShared: true)
        streams.append(stream)
        return stream
    }

    private func remove(_ lease: KeptLease, _ error: EtcdError) {
        leases[lease.id] = nil
        lease.end(error)
        if let appointment = lease.appointment { agenda.remove(appointment) }
        lease.appointment = nil
        lease.stream?.remove(lease)
    }
}
