// SPDX-License-Identifier: Apache-2.0

/// Keeps the leases of a client alive, all over one stream.
@EventLoop
final class LeaseKeeper {
    /// One party that wants a lease kept alive and hears of its renewals.
    @EventLoop
    final class Subscription {
        fileprivate let id: Lease.ID
        private var newest: LeaseRenewal?
        private var ending: EtcdError?
        private var waiting: Completion<Result<LeaseRenewal, EtcdError>>?

        fileprivate init(_ id: Lease.ID) { self.id = id }

        /// The newest renewal that was not taken yet, or the end.
        ///
        /// One task may wait.
        func next() async -> Result<LeaseRenewal, EtcdError> {
            if let ending { return .failure(ending) }
            if let renewal = newest {
                newest = nil
                return .success(renewal)
            }
            let waiting = Completion<Result<LeaseRenewal, EtcdError>>()
            self.waiting = waiting
            return await waiting.wait {
                waiting.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
            }
        }

        fileprivate func renewed(_ renewal: LeaseRenewal) {
            if let waiting, !waiting.isComplete {
                waiting.complete(.success(renewal))
            } else {
                newest = renewal
            }
        }

        fileprivate func ended(_ error: EtcdError) {
            if ending == nil { ending = error }
            waiting?.complete(.failure(error))
        }
    }

    private struct Kept {
        var timeline: LeaseTimeline
        var subscriptions: [Subscription]
    }

    /// A renewal that is on its way.
    struct Renewal {
        let id: Lease.ID
        let sent: ContinuousClock.Instant
    }

    private typealias Stream = GRPCStream<Wire.LeaseRequest, Wire.LeaseKeepAliveResponse>

    private enum State {
        case idle
        case connecting(Channel.Ticket?)
        /// The stream broke; a new one is opened when the timer fires.
        case pausing(EventLoop.Timer)
        case open(Stream)
        case closed
    }

    private static let reopenInterval = Duration.milliseconds(500)

    private let channel: Channel
    private var leases: [Lease.ID: Kept] = [:]
    /// The renewals that were sent on the stream and are not answered yet, the oldest first.
    ///
    /// One that nobody waits for any more stays: its answer, which may be late, must not pass for that to a newer one.
    private(set) var unanswered: [Renewal] = []
    private var state = State.idle
    private var timer: EventLoop.Timer?

    nonisolated init(_ channel: Channel) {
        self.channel = channel
    }

    // MARK: Subscriptions

    /// Keeps a lease alive until the subscription is cancelled or the lease has ended.
    ///
    /// With the lease as it was granted, it is judged from then on whether it lives.
    func subscribe(to id: Lease.ID, granted: Lease?) -> Subscription {
        let subscription = Subscription(id)
        if case .closed = state {
            subscription.ended(EtcdError(.clientClosed, "the client is closed"))
            return subscription
        }
        if leases[id] == nil {
            leases[id] = Kept(timeline: LeaseTimeline(now: .now, granted: granted), subscriptions: [])
        }
        leases[id]?.subscriptions.append(subscription)
        leases[id]?.timeline.renewSoon(at: .now)
        advance()
        return subscription
    }

    func cancel(_ subscription: Subscription) {
        subscription.ended(EtcdError(.cancelled, "the lease is no longer kept alive"))
        leases[subscription.id]?.subscriptions.removeAll { $0 === subscription }
        if leases[subscription.id]?.subscriptions.isEmpty == true { leases[subscription.id] = nil }
        advance()
    }

    /// Renews a lease and waits for the answer.
    func renewOnce(
        _ id: Lease.ID,
        deadline: ContinuousClock.Instant
    ) async throws(EtcdError) -> LeaseRenewal {
        let subscription = subscribe(to: id, granted: nil)
        let timer = EventLoop.schedule(at: deadline) { [weak self] in
            guard let self else { return }
            let isConnected = if case .open = state { true } else { false }
            subscription.ended(
                isConnected ? EtcdError(.deadlineExceeded, "no answer within the deadline") : channel.unavailability
            )
        }
        let result = await subscription.next()
        EventLoop.cancel(timer)
        cancel(subscription)
        return try result.get()
    }

    func close() {
        let old = state
        state = .closed
        switch old {
        case .connecting(let ticket): if let ticket { channel.forget(ticket) }
        case .pausing(let timer): EventLoop.cancel(timer)
        case .open(let stream): stream.cancel()
        case .idle, .closed: break
        }
        if let timer { EventLoop.cancel(timer) }
        for id in leases.keys { end(id, EtcdError(.clientClosed, "the client was closed")) }
    }

    // MARK: Renewing

    /// Does what is due for all leases, and sets the timer for what is due next.
    private func advance() {
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        let now = ContinuousClock.now
        for (id, kept) in leases where kept.timeline.isExpired(at: now) {
            end(id, EtcdError(.leaseLost, "lease \(id) was not renewed in time"))
        }
        if leases.isEmpty { return release() }
        switch state {
        case .idle: connect()
        case .open(let stream): sendDueRenewals(on: stream)
        case .connecting, .pausing, .closed: break
        }
        let isOpen = if case .open = state { true } else { false }
        // Without a stream nothing can be sent, but leases run out all the same.
        let events = leases.values.compactMap { isOpen ? $0.timeline.nextEvent : $0.timeline.deadline }
        guard let next = events.min() else { return }
        timer = EventLoop.schedule(at: next) { [weak self] in self?.advance() }
    }

    private func sendDueRenewals(on stream: Stream) {
        let now = ContinuousClock.now
        for id in leases.keys {
            guard let due = leases[id]?.timeline.nextSend, due <= now else { continue }
            leases[id]?.timeline.sent(at: now)
            unanswered.append(Renewal(id: id, sent: now))
            stream.send(Wire.LeaseRequest(id: id.rawValue))
        }
    }

    private func received(_ response: Wire.LeaseKeepAliveResponse) {
        let id = Lease.ID(rawValue: response.id)
        guard let index = unanswered.firstIndex(where: { $0.id == id }) else { return }
        let sent = unanswered.remove(at: index).sent
        guard let timeline = leases[id]?.timeline else { return }
        if response.timeToLive <= 0 {
            let error =
                timeline.deadline != nil
                ? EtcdError(.leaseLost, "lease \(id) has expired or was revoked")
                : EtcdError(.leaseNotFound, "there is no lease \(id)")
            end(id, error)
            return advance()
        }
        let timeToLive = Duration.seconds(response.timeToLive)
        guard let deadline = leases[id]?.timeline.answered(sent: sent, timeToLive: timeToLive) else { return }
        let renewal = LeaseRenewal(id: id, timeToLive: timeToLive, deadline: deadline)
        for subscription in leases[id]?.subscriptions ?? [] { subscription.renewed(renewal) }
        advance()
    }

    private func end(_ id: Lease.ID, _ error: EtcdError) {
        for subscription in leases.removeValue(forKey: id)?.subscriptions ?? [] { subscription.ended(error) }
    }

    // MARK: The stream

    private func connect() {
        state = .connecting(nil)
        let ticket = channel.whenReady { [weak self] result in
            guard let self, case .connecting = state else { return }
            switch result {
            case .success(let link): open(on: link)
            case .failure: state = .idle
            }
        }
        if case .connecting = state { state = .connecting(ticket) }
    }

    private func open(on link: Channel.Link) {
        do {
            let stream = try Stream(
                Wire.leaseKeepAlive,
                metadata: GRPCMetadata(authority: link.endpoint.authority, requiresLeader: true),
                maximumMessageSize: channel.configuration.maximumMessageSize,
                on: link.connection
            ) { [weak self] event in
                switch event {
                case .message(let response, _): self?.received(response)
                case .ended(let failure): self?.streamEnded(failure, link.endpoint)
                }
            }
            unanswered = []
            state = .open(stream)
            advance()
        } catch {
            pause()
        }
    }

    private func streamEnded(_ failure: GRPCFailure?, _ endpoint: Endpoint) {
        let now = ContinuousClock.now
        for id in leases.keys { leases[id]?.timeline.disconnected(at: now) }
        if let failure, [.permissionDenied, .unauthenticated, .unimplemented].contains(failure.status.code) {
            let error = EtcdError(failure, isRead: true, endpoint: endpoint)
            for id in leases.keys { end(id, error) }
        }
        pause()
        advance()
    }

    private func pause() {
        let timer = EventLoop.schedule(at: .now + Self.reopenInterval) { [weak self] in
            guard let self, case .pausing = state else { return }
            state = .idle
            advance()
        }
        state = .pausing(timer)
    }

    /// Gives the stream up when no lease needs it.
    private func release() {
        switch state {
        case .connecting(let ticket): if let ticket { channel.forget(ticket) }
        case .pausing(let timer): EventLoop.cancel(timer)
        case .open(let stream): stream.cancel()
        case .idle: break
        case .closed: return
        }
        state = .idle
    }
}
