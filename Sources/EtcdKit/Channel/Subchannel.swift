// SPDX-License-Identifier: Apache-2.0

/// One endpoint of a channel: its connection, and whether the endpoint is healthy enough for calls.
@EventLoop
final class Subchannel {
    private enum State {
        case idle
        /// The last attempt has failed; the next one begins when the timer fires.
        case pausing(EventLoop.Timer)
        case dialing(Dialer)
        /// There is a connection, and the member is asked how it is before it gets any call.
        case examining(HTTP2Connection, GRPCUnaryCall)
        case ready(Channel.Link)
        case retired
    }

    /// The endpoint is avoided; this is the state of its next health check.
    private struct Suspicion {
        var check: GRPCUnaryCall?
        var checked = ContinuousClock.now
        var timer: EventLoop.Timer?
    }

    let endpoint: Endpoint
    let target: Endpoint.Target
    private(set) var lastError: ConnectionError?
    /// There was a connection that could take calls, so the endpoint is configured as it should be.
    private(set) var hasConnected = false
    private let configuration: EtcdClient.Configuration
    private let tls: TLSContextSource
    private weak var channel: Channel?
    private var state = State.idle
    private var failures = 0
    /// The last failure was that of an attempt to connect, and not that of a connection.
    private var hasFailedToConnect = false
    /// When the last attempt has failed.
    private(set) var failed = ContinuousClock.now
    private var pingInterval: Duration
    private var suspicion: Suspicion?
    /// Suspicions that came soon after each other.
    private var suspicions = 0
    private var lastSuspicion = ContinuousClock.now

    /// Makes a subchannel, which tells its channel when ``link`` or ``isTrusted`` has changed.
    init(_ endpoint: Endpoint, of channel: Channel) {
        self.endpoint = endpoint
        self.channel = channel
        configuration = channel.configuration
        tls = channel.tls
        target = tls.target(of: endpoint)
        pingInterval = configuration.pingInterval
    }

    /// The connection, if it takes calls.
    var link: Channel.Link? {
        if case .ready(let link) = state { link } else { nil }
    }

    /// There is no reason to prefer another endpoint.
    var isTrusted: Bool { suspicion == nil }

    var isIdle: Bool {
        if case .idle = state { true } else { false }
    }

    /// When the next attempt to connect may begin.
    var due: ContinuousClock.Instant { failed + configuration.backoff.delay(afterFailures: failures, chance: 0) }

    /// The last attempt to connect has failed, and it is too early for the next one.
    var isPausing: Bool {
        switch state {
        case .idle, .pausing: hasFailedToConnect && .now < due
        case .dialing, .examining, .ready, .retired: false
        }
    }

    // MARK: Connecting

    /// Connects, after a pause if the last attempt has failed just now.
    func connect() {
        guard isIdle else { return }
        let delay = configuration.backoff.delay(afterFailures: failures)
        if failures == 0 || failed + delay <= .now { return dial() }
        state = .pausing(EventLoop.schedule(at: failed + delay) { [weak self] in self?.pauseIsOver() })
    }

    private func pauseIsOver() {
        guard case .pausing = state else { return }
        state = .idle
        // Perhaps nobody waits any more.
        if channel?.wants(self) == true { dial() }
    }

    private func dial() {
        let options = Dialer.Options(
            timeout: configuration.connectTimeout,
            connection: HTTP2Connection.Options(pingInterval: pingInterval, pingTimeout: configuration.pingTimeout),
            resolver: configuration.resolver,
            asksForProtocol: !hasConnected
        )
        let dialer = Dialer(endpoint, options, tls: tls) { [weak self] in self?.dialed($0) }
        state = .dialing(dialer)
        // It may fail at once, as with a unix socket that is not there.
        dialer.start()
    }

    private func dialed(_ outcome: Dialer.Outcome) {
        switch outcome {
        case .failure(let error):
            fail(error)
        case .success(let connection):
            connection.onStateChange = { [weak self] in self?.stateChanged(of: $0) }
            guard let channel, channel.examines(self) else { return accept(connection) }
            let link = Channel.Link(connection: connection, endpoint: endpoint)
            let check = HealthCheck.start(link, channel) { [weak self] in self?.examined(connection, $0) }
            state = .examining(connection, check)
        }
    }

    private func examined(_ connection: HTTP2Connection, _ finding: HealthCheck.Finding) {
        guard case .examining = state else { return }
        switch finding {
        case .well:
            accept(connection)
        case .unfit(let reason):
            accept(connection, suspecting: reason)
        case .lost(let error):
            state = .idle
            connection.close(error)
            fail(error)
        }
    }

    private func accept(_ connection: HTTP2Connection, suspecting reason: EtcdError? = nil) {
        state = .ready(Channel.Link(connection: connection, endpoint: endpoint))
        lastError = nil
        hasConnected = true
        channel?.report(.connected(endpoint))
        // First, since calls that wait may have a better endpoint soon.
        if let reason { suspect(reason) }
        channel?.changed(self)
    }

    private func stateChanged(of connection: HTTP2Connection) {
        let error: ConnectionError
        let wasReady = link != nil
        switch connection.state {
        case .handshaking, .open: return
        case .draining(let reason), .closed(let reason): error = reason
        }
        switch state {
        case .ready(let link) where link.connection === connection: break
        case .examining(let examined, let check) where examined === connection:
            // First, since cancelling the last call of a draining connection closes it, and calls this method again.
            state = .idle
            check.cancel()
        default: return
        }
        if connection.isPingedTooOften { pingInterval = (pingInterval * 2).bounded }
        // A connection that never answered a call counts as a failed attempt; otherwise a server that always closes it
        // would be reconnected to without pause.
        if connection.hasAnswered { failures = 0 }
        fail(error, isAttempt: !wasReady)
    }

    /// The attempt to connect has failed, or the connection has ended.
    private func fail(_ error: ConnectionError, isAttempt: Bool = true) {
        state = .idle
        let event = isAttempt ? EtcdClient.Event.connectFailed : EtcdClient.Event.disconnected
        channel?.report(event(endpoint, EtcdError(error, at: endpoint)))
        hasFailedToConnect = isAttempt
        lastError = error
        failures += 1
        failed = .now
        // The next connection is examined anew.
        endSuspicion()
        channel?.changed(self)
    }

    /// Gives the endpoint up: calls in flight may end, and no new ones begin.
    func retire(_ error: ConnectionError, closing: Bool) {
        let old = state
        state = .retired
        endSuspicion()
        channel = nil
        switch old {
        case .dialing(let dialer): dialer.cancel()
        case .pausing(let timer): EventLoop.cancel(timer)
        case .examining(let connection, let check):
            check.cancel()
            connection.close(error)
        case .ready(let link):
            if closing { link.connection.close(error) } else { link.connection.drain(error) }
        case .idle, .retired: break
        }
    }

    // MARK: Trust

    /// Avoids the endpoint until the member reports that it is healthy.
    func suspect(_ reason: EtcdError) {
        if let current = suspicion, current.check == nil {
            // It is used because there is no better one, and the trouble may be a new one: check again soon.
            if let timer = current.timer { EventLoop.cancel(timer) }
            suspicion?.timer = EventLoop.schedule(at: current.checked + Self.suspicionBackoff.initial) { [weak self] in
                self?.examine()
            }
        }
        guard suspicion == nil, link != nil, channel?.examines(self) == true else { return }
        if lastSuspicion + .seconds(60) < .now { suspicions = 0 }
        suspicions += 1
        lastSuspicion = .now
        suspicion = Suspicion()
        channel?.report(.suspected(endpoint, reason))
        channel?.changed(self)
        examine()
    }

    /// Checks the member's health, repeatedly until it is healthy.
    private func examine() {
        guard suspicion != nil, let link, let channel else { return }
        suspicion?.timer = nil
        suspicion?.checked = .now
        suspicion?.check = HealthCheck.start(link, channel) { [weak self] finding in
            guard let self, suspicion != nil else { return }
            suspicion?.check = nil
            if case .lost(let error) = finding { return link.connection.close(error) }
            // A member that reports that it is healthy may stall nevertheless, so it gets time even then.
            let pause = Self.suspicionBackoff.delay(afterFailures: suspicions)
            suspicion?.timer = EventLoop.schedule(at: .now + pause) { [weak self] in
                guard let self, suspicion != nil else { return }
                if case .well = finding { return trust() }
                suspicions += 1
                examine()
            }
        }
    }

    private static let suspicionBackoff = Backoff(initial: .milliseconds(500), maximum: .seconds(10), multiplier: 2)

    private func trust() {
        endSuspicion()
        channel?.report(.trusted(endpoint))
        channel?.changed(self)
    }

    private func endSuspicion() {
        suspicion?.check?.cancel()
        if let timer = suspicion?.timer { EventLoop.cancel(timer) }
        suspicion = nil
    }
}
