// SPDX-License-Identifier: Apache-2.0

/// Renews some of the leases over one stream, and moves to another endpoint when that ends or stalls.
@EventLoop
final class LeaseStream {
    /// A renewal that is on its way.
    struct Renewal {
        let lease: KeptLease
        let sent: MonotonicInstant
    }

    /// News for the keeper of the leases.
    enum Report {
        /// The server has answered, with the time to live in seconds.
        case answered(Renewal, timeToLive: Int64, by: Endpoint)
        /// The stream is gone, and with it the answers for these leases.
        case disconnected([KeptLease])
        /// The server has ended the stream, perhaps since this lease may not be renewed; the others go on.
        case denied(KeptLease)
        /// There will be no stream, for this reason.
        case failed(EtcdError)
    }

    private typealias Stream = GRPCStream<Wire.LeaseRequest, Wire.LeaseKeepAliveResponse>

    private enum State {
        case idle
        case connecting(Channel.Ticket?)
        /// The stream has ended; a new one is opened when the timer fires.
        case pausing(EventLoop.Timer)
        case open(Stream, Channel.Berth)
        case closed
    }

    /// How many renewals may be unanswered: more would only wait at the server, where they cannot be put in order.
    private static let window = 256
    /// How many may be unanswered for one of them to be sent again.
    private static let windowForRepetition = 32
    private static let longestPause = Duration.milliseconds(500)
    /// How many tokens in a row may be rejected; a member may not know yet one that was made a moment ago.
    private static let maximumRejections = 3

    let isShared: Bool
    private let channel: Channel
    private let report: @EventLoop (LeaseStream, Report) -> Void
    private var leases: [Lease.ID: KeptLease] = [:]
    /// What is due and not sent yet, the lease with the earliest deadline first.
    private var queue = DeadlineHeap<KeptLease>()
    /// The renewals that were sent on the stream and are not answered yet, the oldest first.
    ///
    /// One that nobody waits for any more stays: its answer, which may be late, must not pass for that to a newer one.
    private var unanswered = Unanswered()
    private var isSendScheduled = false
    private var state = State.idle
    /// Counts attempts to open the stream, so that those that were given up are told from the last.
    private var attempt = 0
    /// Counts the streams that were opened, those of all clients.
    private static var opened = 0
    /// Tells the open stream from all others.
    private var number = 0
    private var stallTimer: EventLoop.Timer?
    private var opened = MonotonicInstant.now
    private var lastAnswer = MonotonicInstant.now
    /// The shortest time to live of the leases; those that have left may count, too.
    private var shortest: Duration?
    /// Where the last stream was.
    private var lastEndpoint: Endpoint?
    /// Why the last stream has ended, until the next is answered.
    private var lastError: EtcdError?
    private var failures = 0
    private var rejections = 0

    init(_ channel: Channel, isShared: Bool, _ report: @escaping @EventLoop (LeaseStream, Report) -> Void) {
        self.channel = channel
        self.isShared = isShared
        self.report = report
    }

    var count: Int { leases.count }

    var isOpen: Bool {
        if case .open = state { true } else { false }
    }

    /// The endpoint at the other end.
    var endpoint: Endpoint? {
        if case .open(_, let berth) = state { berth.link.endpoint } else { nil }
    }

    /// What may keep renewals from being answered.
    var trouble: EtcdError? {
        if let lastError { return lastError }
        guard let endpoint else { return channel.unavailability }
        return EtcdError(.unavailable, "a renewal is not answered [\(endpoint)]")
    }

    // MARK: Leases

    /// Takes a lease, whose renewals are asked for with ``renew(_:)``.
    func add(_ lease: KeptLease) {
        leases[lease.id] = lease
        note(lease.timeToLive)
        open()
    }

    /// Lets a lease go.
    func remove(_ lease: KeptLease) {
        leases[lease.id] = nil
        unqueue(lease)
    }

    /// Renews a lease as soon as the stream allows, together with all others that are renewed in this turn of the loop.
    func renew(_ lease: KeptLease) {
        let now = MonotonicInstant.now
        if lease.timeline.awaitsAnswer {
            // Answers come in order: as long as any come, or many are awaited, a repetition only adds to the queue.
            let isQuiet = lastAnswer + LeaseTimeline.retryInterval <= now
            guard isQuiet, unanswered.count < Self.windowForRepetition else { return }
        }
        unqueue(lease)
        lease.queued = queue.insert(lease, at: lease.timeline.deadline ?? now)
        scheduleSend()
    }

    /// A lease is at risk although answers come: they come too slowly here.
    func leaveIfTooSlow() {
        guard channel.hasAlternatives, let endpoint, opened + patience <= .now else { return }
        giveUp(EtcdError(.unavailable, "renewals are answered too slowly [\(endpoint)]"))
    }

    private func unqueue(_ lease: KeptLease) {
        if let place = lease.queued { queue.remove(place) }
        lease.queued = nil
    }

    private func note(_ timeToLive: Duration?) {
        guard let timeToLive, timeToLive < shortest ?? .seconds(Int64.max) else { return }
        shortest = timeToLive
        cancelStallTimer()
        watchForStall()
    }

    // MARK: Renewals

    private func scheduleSend() {
        guard !isSendScheduled, queue.count > 0, case .open = state else { return }
        isSendScheduled = true
        EventLoop.atEndOfTurn { [weak self] in
            guard let self else { return }
            isSendScheduled = false
            send()
        }
    }

    /// Sends what is due, as far as there is room, in one buffer.
    private func send() {
        guard case .open(let stream, _) = state else { return }
        let now = MonotonicInstant.now
        var frames: [UInt8] = []
        while unanswered.count < Self.window, let first = queue.earliest, let lease = queue.popDue(at: first) {
            lease.queued = nil
            lease.timeline.sent(at: now)
            lease.travels(on: number)
            unanswered.append(Renewal(lease: lease, sent: now))
            frames += GRPCFraming.frame { ProtobufEncoder.encode(Wire.LeaseRequest(id: lease.id.rawValue), into: &$0) }
        }
        if !frames.isEmpty { stream.send(frame: frames) }
        watchForStall()
    }

    private func received(_ response: Wire.LeaseKeepAliveResponse, from endpoint: Endpoint) {
        guard let renewal = unanswered.take(response.id) else { return }
        lastAnswer = .now
        lastError = nil
        failures = 0
        rejections = 0
        if response.timeToLive > 0 { note(.seconds(response.timeToLive)) }
        if renewal.lease.stream === self {
            unqueue(renewal.lease)
        }
        report(self, .answered(renewal, timeToLive: response.timeToLive, by: endpoint))
        scheduleSend()
    }

    /// How long the stream may go without an answer that is due.
    private var patience: Duration {
        let limit = channel.configuration.retry.attemptTimeout
        guard channel.hasAlternatives else { return limit }
        // Still where the last stream has failed, for want of another connection just then: soon there will be one.
        if lastError != nil { return min(limit, Self.longestPause) }
        return min(limit, shortest.map { $0 / 3 } ?? limit)
    }

    private func watchForStall() {
        guard stallTimer == nil, let endpoint, let oldest = unanswered.oldest else { return }
        let end = max(oldest.sent, lastAnswer) + patience
        if end > .now {
            stallTimer = EventLoop.schedule(at: end.instant) { [weak self] in
                self?.stallTimer = nil
                self?.watchForStall()
            }
        } else {
            let error = EtcdError(.unavailable, "renewals were not answered for \(patience) [\(endpoint)]")
            channel.suspect(endpoint, error)
            giveUp(error)
        }
    }

    private func cancelStallTimer() {
        if let stallTimer { EventLoop.cancel(stallTimer) }
        stallTimer = nil
    }

    // MARK: The stream

    private func open() {
        guard case .idle = state else { return }
        state = .connecting(nil)
        attempt += 1
        let number = attempt
        let ticket = channel.whenReadyForStream(avoiding: lastError == nil ? nil : lastEndpoint) { [weak self] result in
            guard let self, case .connecting = state, attempt == number else { return }
            switch result {
            case .success(let berth): open(at: berth)
            case .failure(let error): failed(error, isFinal: error.code == .authenticationFailed)
            }
        }
        if case .connecting = state, attempt == number { state = .connecting(ticket) }
    }

    private func open(at berth: Channel.Berth) {
        let endpoint = berth.link.endpoint
        do {
            let stream = try Stream(
                Wire.leaseKeepAlive,
                metadata: channel.context.metadata(for: endpoint, requiresLeader: true, token: berth.token),
                maximumMessageSize: channel.configuration.maximumMessageSize,
                on: berth.link.connection
            ) { [weak self] event in
                switch event {
                case .message(let response, _): self?.received(response, from: endpoint)
                case .ended(let failure): self?.ended(failure, berth)
                }
            }
            state = .open(stream, berth)
            Self.opened += 1
            number = Self.opened
        } catch {
            return failed(EtcdError(error, at: endpoint))
        }
        if let lastEndpoint, lastEndpoint != endpoint {
            channel.context.report(.failedOver(from: lastEndpoint, to: endpoint))
            lastError = nil
        }
        lastEndpoint = endpoint
        opened = .now
        lastAnswer = .now
        shortest = leases.values.compactMap(\.timeToLive).min()
        send()
    }

    private func ended(_ failure: GRPCFailure?, _ berth: Channel.Berth) {
        let endpoint = berth.link.endpoint
        let error =
            failure.map { EtcdError($0, at: endpoint) }
            ?? EtcdError(.unavailable, "the server ended the stream of renewals [\(endpoint)]")
        if failure?.effect == .answered, error.code.castsSuspicion { channel.suspect(endpoint, error) }
        if error.code.meansTokenIsRejected {
            channel.context.tokens.reject(berth.token)
            rejections += 1
        }
        // The server handles renewals in order, so it has stumbled over the oldest one.
        let culprit = error.code == .permissionDenied ? unanswered.oldest?.lease : nil
        disconnect()
        if let culprit, leases[culprit.id] === culprit, leases.count > 1 {
            report(self, .denied(culprit))
            open()
        } else {
            failed(error, isFinal: culprit?.stream === self || isFinal(error.code))
        }
    }

    /// No other endpoint and no other moment will be better.
    private func isFinal(_ code: EtcdError.Code) -> Bool {
        if !code.meansTokenIsRejected { return [.unimplemented, .unauthenticated].contains(code) }
        if channel.context.tokens.canRenew { return rejections >= Self.maximumRejections }
        // Whoever is known by a certificate has no token to renew, but rights that may have been looked up anew.
        return rejections > (code == .staleToken ? 1 : 0)
    }

    /// Gives the stream up, for another one.
    private func giveUp(_ error: EtcdError) {
        guard case .open(let stream, _) = state else { return }
        stream.cancel()
        disconnect()
        failed(error)
    }

    /// Takes what was on its way for unsent.
    private func disconnect() {
        state = .idle
        cancelStallTimer()
        report(self, .disconnected(unanswered.takeAll().map(\.lease)))
    }

    /// There is no stream, for this reason: opens another, unless the reason will not go away.
    private func failed(_ error: EtcdError, isFinal: Bool = false) {
        if case .closed = state { return }
        state = .idle
        lastError = error
        failures += 1
        if isFinal { return report(self, .failed(error)) }
        // At once where there is somewhere else to go, or something else to show.
        if failures == 1, channel.hasAlternatives || error.code.meansTokenIsRejected { return open() }
        let pause = channel.configuration.backoff.delay(afterFailures: failures)
        let timer = EventLoop.schedule(at: .now + min(pause, Self.longestPause)) { [weak self] in
            guard let self, case .pausing = state else { return }
            state = .idle
            open()
        }
        state = .pausing(timer)
    }

    /// Ends the stream, for good.
    func close() {
        let old = state
        state = .closed
        switch old {
        case .connecting(let ticket): if let ticket { channel.forget(ticket) }
        case .pausing(let timer): EventLoop.cancel(timer)
        case .open(let stream, _): stream.cancel()
        case .idle, .closed: break
        }
        cancelStallTimer()
    }
}

/// The renewals that were sent on a stream and are not answered yet, the oldest first.
private struct Unanswered {
    private var renewals: [LeaseStream.Renewal] = []
    /// Those before this one were answered.
    private var start = 0

    var count: Int { renewals.count - start }

    var oldest: LeaseStream.Renewal? { start < renewals.count ? renewals[start] : nil }

    mutating func append(_ renewal: LeaseStream.Renewal) {
        renewals.append(renewal)
    }

    /// Takes the oldest renewal of a lease: the first of all, as answers come in order.
    mutating func take(_ id: Int64) -> LeaseStream.Renewal? {
        guard let index = renewals[start...].firstIndex(where: { $0.lease.id.rawValue == id }) else { return nil }
        let renewal = renewals[index]
        if index > start {
            renewals.remove(at: index)
        } else {
            start += 1
            if start * 2 > renewals.count {
                renewals.removeFirst(start)
                start = 0
            }
        }
        return renewal
    }

    mutating func takeAll() -> ArraySlice<LeaseStream.Renewal> {
        defer { self = Unanswered() }
        return renewals[start...]
    }
}
