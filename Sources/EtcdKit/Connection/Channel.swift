// SPDX-License-Identifier: Apache-2.0

/// The way to the cluster: holds a connection to one of the endpoints, made when it is first needed.
@EventLoop
final class Channel {
    /// A connection that takes streams, and where it leads.
    struct Link: Sendable {
        let connection: HTTP2Connection
        let endpoint: Endpoint
    }

    /// Names a waiter for a connection.
    struct Ticket: Hashable {
        fileprivate let number: UInt64
    }

    private enum State {
        case idle
        case dialing(Dialer)
        /// Every endpoint has failed; the timer starts the next round.
        case pausing(EventLoop.Timer)
        case ready(Link)
        case closed
    }

    nonisolated let configuration: EtcdClient.Configuration
    private nonisolated let tlsContexts: TLSContextSource
    private var state = State.idle {
        didSet { publishedLink.withLock { $0 = readyLink } }
    }
    /// What ``readyLink`` is, for tasks that are not on the loop.
    private nonisolated let publishedLink = Lock<Link?>(nil)
    private var waiters: [(ticket: Ticket, deliver: @EventLoop (Result<Link, EtcdError>) -> Void)] = []
    private var nextTicket: UInt64 = 0
    private var nextEndpoint = 0
    private var failures = 0
    private var lastErrors: [Endpoint: ConnectionError] = [:]

    nonisolated init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        tlsContexts = TLSContextSource(configuration.tls)
    }

    /// The connection, if there is one now.
    var readyLink: Link? {
        if case .ready(let link) = state { link } else { nil }
    }

    /// The connection, if there was one a moment ago.
    ///
    /// One that has ended since refuses a call, which is then known to have had no effect.
    nonisolated var probableLink: Link? { publishedLink.withLock { $0 } }

    /// Calls `deliver` with a connection, at once or as soon as there is one, or with an error when the client closes.
    ///
    /// - Returns: The place in the queue, to be given back with ``forget(_:)`` by whoever waits no longer; nil if
    ///   `deliver` was called.
    func whenReady(_ deliver: @escaping @EventLoop (Result<Link, EtcdError>) -> Void) -> Ticket? {
        if let readyLink {
            deliver(.success(readyLink))
            return nil
        }
        if case .closed = state {
            deliver(.failure(EtcdError(.clientClosed, "the client is closed")))
            return nil
        }
        nextTicket += 1
        let ticket = Ticket(number: nextTicket)
        waiters.append((ticket, deliver))
        if case .idle = state { dialWhenDue() }
        return ticket
    }

    func forget(_ ticket: Ticket) {
        waiters.removeAll { $0.ticket == ticket }
    }

    /// Why there is no connection, for whoever has waited in vain.
    var unavailability: EtcdError {
        let reasons = configuration.endpoints.compactMap { endpoint in
            lastErrors[endpoint].map { "\(endpoint): \($0)" }
        }
        if reasons.isEmpty {
            let endpoints = configuration.endpoints.map(\.description).joined(separator: ", ")
            return EtcdError(.unavailable, "no connection to \(endpoints) was made in time")
        }
        return EtcdError(.unavailable, "no endpoint is reachable: \(reasons.joined(separator: "; "))")
    }

    /// Closes the connection and fails all that waits for one.
    ///
    /// Calls in flight fail with it.
    func close() {
        let old = state
        state = .closed
        switch old {
        case .dialing(let dialer): dialer.cancel()
        case .pausing(let timer): EventLoop.cancel(timer)
        case .ready(let link): link.connection.close(ConnectionError(.closedByUs, "the client was closed"))
        case .idle, .closed: break
        }
        serveWaiters(.failure(EtcdError(.clientClosed, "the client was closed")))
    }

    // MARK: Dialing

    private func dialWhenDue() {
        // Each endpoint is tried once before there is a pause.
        let round = failures / max(configuration.endpoints.count, 1)
        let isNewRound = failures % max(configuration.endpoints.count, 1) == 0
        let delay = configuration.backoff.delay(afterFailures: isNewRound ? round : 0, chance: .random(in: 0...1))
        if delay == .zero { return dial() }
        let timer = EventLoop.schedule(at: .now + delay) { [weak self] in self?.dial() }
        state = .pausing(timer)
    }

    private func dial() {
        if waiters.isEmpty {
            state = .idle
            return
        }
        let endpoint = configuration.endpoints[nextEndpoint % configuration.endpoints.count]
        let dialer = Dialer(
            endpoint,
            timeout: configuration.connectTimeout,
            options: configuration.connectionOptions,
            tls: tlsContexts
        ) { [weak self] outcome in
            self?.dialed(endpoint, outcome)
        }
        state = .dialing(dialer)
    }

    private func dialed(_ endpoint: Endpoint, _ outcome: Dialer.Outcome) {
        switch outcome {
        case .success(let connection):
            let link = Link(connection: connection, endpoint: endpoint)
            state = .ready(link)
            lastErrors[endpoint] = nil
            connection.onStateChange = { [weak self] in self?.stateChanged(of: $0, endpoint) }
            serveWaiters(.success(link))
        case .failure(let error):
            failed(endpoint, error)
        }
    }

    private func stateChanged(of connection: HTTP2Connection, _ endpoint: Endpoint) {
        guard case .ready(let link) = state, link.connection === connection else { return }
        let error: ConnectionError
        switch connection.state {
        case .handshaking, .open: return
        case .draining(let reason), .closed(let reason): error = reason
        }
        // One that never answered a call is as good as none; else a server that always hangs up would be asked at once
        // and for ever.
        if connection.hasAnswered { failures = 0 }
        failed(endpoint, error)
    }

    private func failed(_ endpoint: Endpoint, _ error: ConnectionError) {
        lastErrors[endpoint] = error
        failures += 1
        nextEndpoint += 1
        state = .idle
        if !waiters.isEmpty { dialWhenDue() }
    }

    private func serveWaiters(_ result: Result<Link, EtcdError>) {
        let waiters = waiters
        self.waiters = []
        for waiter in waiters { waiter.deliver(result) }
    }
}
