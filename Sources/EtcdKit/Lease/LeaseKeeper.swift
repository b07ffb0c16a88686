// SPDX-License-Identifier: Apache-2.0

/// Keeps the leases of a client alive: knows the next action of each lease, and the stream that does it.
@EventLoop
final class LeaseKeeper {
    /// A server answers the renewals of one stream one after the other, so many leases take several streams.
    private static let leasesPerStream = 1_000
    private static let maximumStreams = 8

    private let channel: Channel
    private var leases: [Lease.ID: KeptLease] = [:]
    /// The streams that many leases share, and those of single leases.
    private(set) var streams: [LeaseStream] = []
    private var agenda = LeaseAgenda()
    /// Set for when the first leases of the agenda come, or before.
    private var timer: (id: EventLoop.Timer, due: MonotonicInstant)?
    private var random = SplitMix64()
    private var isClosed = false

    nonisolated init(_ channel: Channel) {
        self.channel = channel
    }

    // MARK: Subscriptions

    /// Keeps a lease alive until the subscription is cancelled or the lease has ended.
    ///
    /// With the lease as it was granted, it is judged from then on whether it lives.
    func add(_ subscription: LeaseSubscription, granted: Lease?) {
        if isClosed { return subscription.end(EtcdError(.clientClosed, "the client is closed")) }
        let id = subscription.id
        let lease = leases[id] ?? KeptLease(id)
        if let granted { lease.granted(granted) }
        lease.subscriptions.append(subscription)
        let now = MonotonicInstant.now
        lease.timeline.renewSoon(at: now)
        if leases.updateValue(lease, forKey: id) == nil { assign(lease, to: sharedStream()) }
        advance(lease, to: now)
    }

    func cancel(_ subscription: LeaseSubscription) {
        let error = EtcdError(.cancelled, "the lease is no longer kept alive")
        subscription.end(error)
        guard let lease = leases[subscription.id] else { return }
        lease.subscriptions.removeAll { $0 === subscription }
        if lease.subscriptions.isEmpty { remove(lease, error) }
    }

    /// Renews a lease and waits for the answer.
    func renewOnce(
        _ id: Lease.ID,
        deadline: ContinuousClock.Instant
    ) async throws(EtcdError) -> LeaseRenewal {
        let subscription = LeaseSubscription(id)
        add(subscription, granted: nil)
        let timer = EventLoop.schedule(at: deadline) { [weak self] in
            let isOpen = self?.leases[id]?.stream?.endpoint != nil
            let error = isOpen ? nil : self?.channel.unavailability()
            let silence = EtcdError(.deadlineExceeded, "the renewal of lease \(id) was not answered in time")
            subscription.end(error ?? silence)
        }
        defer {
            EventLoop.cancel(timer)
            cancel(subscription)
        }
        while true {
            // The wait does not end when the lease is at risk.
            guard case .renewed(let deadline, let timeToLive, _) = try await subscription.next() else { continue }
            return LeaseRenewal(id: id, timeToLive: timeToLive, deadline: deadline.instant)
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
        agenda = LeaseAgenda()
    }

    // MARK: Events of streams

    private func take(_ event: LeaseStream.Event, of stream: LeaseStream) {
        switch event {
        case .sent(let lease, let now, let number): lease.sent(at: now, over: number)
        case .answered(let renewal, let timeToLive, let endpoint):
            answered(renewal.lease, sent: renewal.sent, timeToLive: timeToLive, by: endpoint)
        case .disconnected(let lost):
            let now = MonotonicInstant.now
            for lease in lost where lease.stream === stream {
                lease.timeline.disconnected(at: now)
                advance(lease, to: now)
            }
        case .denied(let lease):
            // It is renewed on a stream of its own, to see whether it was the reason.
            assign(lease, to: addStream(isShared: false))
            lease.stream?.renew(lease)
        case .failed(let error):
            for lease in leases.values where lease.stream === stream { lose(lease, error) }
        }
    }

    private func answered(_ lease: KeptLease, sent: MonotonicInstant, timeToLive: Int64, by endpoint: Endpoint) {
        let now = MonotonicInstant.now
        // A lease that has run out in the meantime stays lost: others may have acted on it.
        advance(lease, to: now)
        if lease.timeline.hasEnded { return }
        if timeToLive <= 0 {
            let reason = EtcdError(.leaseNotFound, "there is no lease \(lease.id) [\(endpoint)]")
            if lease.timeline.deadline == nil { return remove(lease, reason) }
            let text = "lease \(lease.id) has expired or was revoked at the server"
            return lose(lease, EtcdError(.leaseLost, text, cause: reason))
        }
        let timeToLive = Duration.seconds(timeToLive)
        lease.timeToLive = timeToLive
        let chance = Double.random(in: 0...1, using: &random)
        let deadline = lease.timeline.answered(sent: sent, timeToLive: timeToLive, chance: chance)
        guard let deadline else { return }
        lease.publish(.renewed(until: deadline, timeToLive, interruptions: lease.interruptions))
        note(lease, now: now)
    }

    // MARK: Times

    /// Does what is due for a lease, and notes when something is next.
    private func advance(_ lease: KeptLease, to now: MonotonicInstant) {
        while let event = lease.timeline.nextEvent(by: now) {
            switch event {
            case .renewal:
                lease.stream?.renew(lease)
            case .risk(let deadline):
                let trouble = lease.stream?.trouble
                channel.report(.leaseAtRisk(lease.id, until: deadline.instant, trouble))
                lease.publish(.atRisk(until: deadline, trouble))
                lease.stream?.leaveIfTooSlow()
            case .expiry:
                let text = "lease \(lease.id) was not renewed within its time to live"
                lose(lease, EtcdError(.leaseLost, text, cause: lease.stream?.trouble))
            }
        }
        note(lease, now: now)
    }

    private func note(_ lease: KeptLease, now: MonotonicInstant) {
        guard let next = lease.timeline.nextEvent, let time = agenda.note(lease, at: next, now: now) else { return }
        setTimer(to: time)
    }

    private func setTimer(to time: MonotonicInstant) {
        if let timer, timer.due <= time { return }
        if let timer { EventLoop.cancel(timer.id) }
        let id = EventLoop.schedule(at: time.instant) { [weak self] in
            guard let self else { return }
            timer = nil
            let now = MonotonicInstant.now
            for lease in agenda.takeDue(at: now) { advance(lease, to: now) }
            if let earliest = agenda.earliest { setTimer(to: earliest) }
        }
        timer = (id, time)
    }

    // MARK: Leases and streams

    private func sharedStream() -> LeaseStream {
        let shared = streams.filter(\.isShared)
        let emptiest = shared.min { $0.count < $1.count }
        let isFull = shared.count >= Self.maximumStreams
        if let emptiest, emptiest.count < Self.leasesPerStream || isFull { return emptiest }
        return addStream(isShared: true)
    }

    private func addStream(isShared: Bool) -> LeaseStream {
        let stream = LeaseStream(channel, isShared: isShared) { [weak self] in self?.take($1, of: $0) }
        streams.append(stream)
        return stream
    }

    private func assign(_ lease: KeptLease, to stream: LeaseStream) {
        release(lease)
        lease.stream = stream
        stream.add(lease)
    }

    /// Takes a lease from its stream, which is closed with its last lease.
    private func release(_ lease: KeptLease) {
        guard let stream = lease.stream else { return }
        lease.stream = nil
        stream.remove(lease)
        if stream.count > 0 { return }
        stream.close()
        streams.removeAll { $0 === stream }
    }

    /// A lease is no longer kept alive, for a reason that its users and the user of the client want to know.
    private func lose(_ lease: KeptLease, _ error: EtcdError) {
        // First, since the users go on at once when they are told.
        channel.report(.leaseLost(lease.id, error))
        remove(lease, error)
    }

    private func remove(_ lease: KeptLease, _ error: EtcdError) {
        leases[lease.id] = nil
        lease.end(error)
        release(lease)
    }
}
