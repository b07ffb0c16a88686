// SPDX-License-Identifier: Apache-2.0

/// Renews some of the leases over one stream, and moves to another endpoint when the stream ends or stalls.
///
/// It does not change leases: it reports events to its owner, the keeper.
@EventLoop
final class LeaseStream {
    enum Event {
        /// A renewal is on its way over the stream of this number.
        case sent(KeptLease, at: MonotonicInstant, over: Int)
        /// The server has answered, with the time to live in seconds.
        case answered(RenewalQueue.Renewal, timeToLive: Int64, by: Endpoint)
        /// The stream has ended, so there will be no answers for these leases.
        case disconnected([KeptLease])
        /// The server has ended the stream, perhaps because this lease may not be renewed; the others continue.
        case denied(KeptLease)
        /// There will be no stream, for this reason.
        case failed(EtcdError)
    }

    let isShared: Bool
    private let channel: Channel
    private let onEvent: @EventLoop (LeaseStream, Event) -> Void
    private lazy var connection = LeaseConnection(channel) { [weak self] in self?.take($0) }
    private var leases: [Lease.ID: KeptLease] = [:]
    private var queue = RenewalQueue()
    private var isSendScheduled = false
    private var stallTimer: EventLoop.Timer?
    private var lastAnswer = MonotonicInstant.now
    /// The shortest time to live of the leases; those that have left may count, too.
    private var shortest: Duration?

    init(_ channel: Channel, isShared: Bool, _ onEvent: @escaping @EventLoop (LeaseStream, Event) -> Void) {
        self.channel = channel
        self.isShared = isShared
        self.onEvent = onEvent
    }

    var count: Int { leases.count }

    /// The endpoint at the other end; nil while the stream is not open.
    var endpoint: Endpoint? { connection.endpoint }

    /// The reason why renewals may not be answered.
    var trouble: EtcdError? {
        if let error = connection.lastError { return error }
        guard let endpoint else { return channel.unavailability() }
        return EtcdError(.unavailable, "a renewal is not answered [\(endpoint)]")
    }

    // MARK: Leases

    /// Takes a lease, whose renewals are asked for with ``renew(_:)``.
    func add(_ lease: KeptLease) {
        leases[lease.id] = lease
        note(lease.timeToLive)
        connection.open()
    }

    /// Lets a lease go.
    func remove(_ lease: KeptLease) {
        leases[lease.id] = nil
        queue.remove(lease.id)
    }

    /// Renews a lease as soon as the stream allows, together with all others that are renewed in this turn of the loop.
    func renew(_ lease: KeptLease) {
        let now = MonotonicInstant.now
        if lease.timeline.awaitsAnswer {
            // Answers come in order: as long as any come, or many are awaited, a repetition only adds to the queue.
            let isQuiet = lastAnswer + LeaseTimeline.retryInterval <= now
            guard isQuiet, queue.allowsRepetition else { return }
        }
        queue.insert(lease, deadline: lease.timeline.deadline ?? now)
        scheduleSend()
    }

    /// A lease is at risk although answers come, since they come too slowly on this stream.
    func leaveIfTooSlow() {
        guard channel.hasAlternatives, let endpoint, connection.opened + patience <= .now else { return }
        connection.giveUp(EtcdError(.unavailable, "renewals are answered too slowly [\(endpoint)]"))
    }

    /// Ends the stream, for good.
    func close() {
        connection.close()
        cancelStallTimer()
    }

    // MARK: Renewals

    private func scheduleSend() {
        guard !isSendScheduled, queue.hasDue, endpoint != nil else { return }
        isSendScheduled = true
        EventLoop.atEndOfTurn { [weak self] in
            guard let self else { return }
            isSendScheduled = false
            send()
        }
    }

    /// Sends what is due, as far as there is room, in one buffer.
    private func send() {
        guard endpoint != nil else { return }
        let now = MonotonicInstant.now
        var frames: [UInt8] = []
        while let lease = queue.popNext(at: now) {
            onEvent(self, .sent(lease, at: now, over: connection.number))
            frames += GRPCFraming.frame { ProtobufEncoder.encode(Wire.LeaseRequest(id: lease.id.rawValue), into: &$0) }
        }
        if !frames.isEmpty { connection.send(frames) }
        watchForStall()
    }

    private func take(_ event: LeaseConnection.Event) {
        switch event {
        case .opened:
            lastAnswer = .now
            shortest = leases.values.compactMap(\.timeToLive).min()
            send()
        case .answered(let response, let endpoint): answered(response, by: endpoint)
        case .ended(let error): ended(error)
        case .failed(let error): onEvent(self, .failed(error))
        }
    }

    private func answered(_ response: Wire.LeaseKeepAliveResponse, by endpoint: Endpoint) {
        guard let renewal = queue.answered(Lease.ID(rawValue: response.id)) else { return }
        lastAnswer = .now
        connection.hasProvenItself()
        if response.timeToLive > 0 { note(.seconds(response.timeToLive)) }
        if isHere(renewal.lease) { queue.remove(renewal.lease.id) }
        onEvent(self, .answered(renewal, timeToLive: response.timeToLive, by: endpoint))
        scheduleSend()
    }

    private func ended(_ error: EtcdError) {
        // The server handles renewals in order, so the oldest one is the reason.
        let culprit = error.code == .permissionDenied ? queue.oldestUnanswered?.lease : nil
        cancelStallTimer()
        onEvent(self, .disconnected(queue.takeUnanswered()))
        if let culprit, isHere(culprit), count > 1 {
            onEvent(self, .denied(culprit))
            connection.open()
        } else {
            connection.reopen(after: error, isFinal: culprit.map(isHere))
        }
    }

    private func isHere(_ lease: KeptLease) -> Bool { leases[lease.id] === lease }

    // MARK: Stalls

    private func note(_ timeToLive: Duration?) {
        guard let timeToLive, timeToLive < shortest ?? .seconds(Int64.max) else { return }
        shortest = timeToLive
        cancelStallTimer()
        watchForStall()
    }

    /// How long the stream may go without an answer that is due.
    private var patience: Duration {
        let limit = channel.configuration.retry.attemptTimeout
        guard channel.hasAlternatives else { return limit }
        // The stream is where the last one failed, since there was no other connection; there may be one soon.
        if connection.lastError != nil { return min(limit, LeaseConnection.longestPause) }
        return min(limit, shortest.map { $0 / 3 } ?? limit)
    }

    private func watchForStall() {
        guard stallTimer == nil, let endpoint, let oldest = queue.oldestUnanswered else { return }
        let end = max(oldest.sent, lastAnswer) + patience
        if end > .now {
            stallTimer = EventLoop.schedule(at: end.instant) { [weak self] in
                self?.stallTimer = nil
                self?.watchForStall()
            }
        } else {
            let error = EtcdError(.unavailable, "renewals were not answered for \(patience) [\(endpoint)]")
            channel.suspect(endpoint, error)
            connection.giveUp(error)
        }
    }

    private func cancelStallTimer() {
        if let stallTimer { EventLoop.cancel(stallTimer) }
        stallTimer = nil
    }
}
