// SPDX-License-Identifier: Apache-2.0

/// The way to the cluster: a connection to each endpoint, or to one, made when they are first needed.
@EventLoop
final class Channel {
    /// A connection that takes streams, and where it leads.
    final class Link: Sendable {
        let connection: HTTP2Connection
        let endpoint: Endpoint

        init(connection: HTTP2Connection, endpoint: Endpoint) {
            self.connection = connection
            self.endpoint = endpoint
        }
    }

    /// Names a waiter for a connection.
    struct Ticket: Hashable {
        fileprivate let number: UInt64
    }

    private struct Waiter {
        let ticket: Ticket
        /// Where the connection shall lead; nil for anywhere.
        let endpoint: Endpoint?
        /// It need not wait for endpoints that are misconfigured.
        let failsFast: Bool
        let since = ContinuousClock.now
        let deliver: @EventLoop (Result<Link, EtcdError>) -> Void
    }

    nonisolated let context: ClientContext
    private lazy var subchannels = context.tls.distinct(configuration.endpoints).map { Subchannel($0, of: self) }
    /// Connections to other endpoints, each for as long as calls are made there.
    private var guests: [Subchannel] = []
    /// Where all calls go with the policy ``FailoverPolicy/sticky``.
    private var preferred: Endpoint?
    private var waiters: [Waiter] = []
    private var nextTicket: UInt64 = 0
    private var isClosed = false
    /// There was a connection, so the configuration is as it should be.
    private var hasConnected = false

    nonisolated init(_ configuration: EtcdClient.Configuration) {
        context = ClientContext(configuration)
        context.published.withLock {
            $0.hasAlternatives = context.tls.distinct(configuration.endpoints).count > 1
        }
    }

    nonisolated var configuration: EtcdClient.Configuration { context.configuration }

    // MARK: Connections

    /// The endpoints, as configured or, if they lead elsewhere, as the list of members has them.
    var endpoints: [Endpoint] { subchannels.map(\.endpoint) }

    /// There is a choice of endpoints, so each is examined before it is chosen, and avoided if it is not well.
    nonisolated var hasAlternatives: Bool { context.published.withLock { $0.hasAlternatives } }

    /// A connection, if there was one a moment ago: the next in turn of those that are not to be avoided, if any.
    ///
    /// One that has ended since refuses a call, which is then known to have had no effect.
    nonisolated func nextLink(avoiding avoided: [Endpoint] = []) -> Link? {
        context.published.withLock { $0.nextLink(avoiding: avoided, configuration.failover) }
    }

    /// Whether there was a connection a moment ago that is not to be avoided.
    nonisolated func hasLink(avoiding avoided: [Endpoint]) -> Bool {
        context.published.withLock { $0.links.contains { !avoided.contains($0.endpoint) } }
    }

    /// All connections that stand.
    var links: [Link] { subchannels.compactMap(\.link) }

    /// Calls `deliver` with a connection, at once or as soon as there is one, or with an error when the client closes.
    ///
    /// With an `endpoint`, it is a connection to that one, whatever is known of it. If it is not among the client's, it is
    /// connected for as long as need be: whoever has used the connection calls ``leave(_:)``.
    ///
    /// If it `failsFast`, there is an error, too, when the endpoints turn out to be misconfigured.
    ///
    /// - Returns: The place in the queue, to be given back with ``forget(_:)`` by whoever waits no longer; nil if
    ///   `deliver` was called.
    func whenReady(
        at endpoint: Endpoint? = nil,
        avoiding avoided: Endpoint? = nil,
        failsFast: Bool = false,
        _ deliver: @escaping @EventLoop (Result<Link, EtcdError>) -> Void
    ) -> Ticket? {
        if isClosed {
            deliver(.failure(EtcdError(.clientClosed, "the client is closed")))
            return nil
        }
        let place = endpoint.map { subchannel(at: $0) }
        let present =
            if let place { place.link } else {
                avoided.flatMap { nextLink(avoiding: [$0]) } ?? nextLink()
            }
        if let link = present {
            deliver(.success(link))
            return nil
        }
        nextTicket += 1
        let ticket = Ticket(number: nextTicket)
        waiters.append(Waiter(ticket: ticket, endpoint: place?.endpoint, failsFast: failsFast, deliver: deliver))
        connectAsNeeded()
        return ticket
    }

    /// What a stream is opened with.
    struct Berth {
        let link: Link
        let token: AuthToken?
    }

    /// Calls `deliver` with what a stream needs, at once or as soon as it is there, or with an error when the client
    /// closes or the user is refused.
    ///
    /// - Returns: The place in the queue, to be given back with ``forget(_:)`` by whoever waits no longer, who may be
    ///   called nevertheless; nil if there is no queue.
    func whenReadyForStream(
        avoiding avoided: Endpoint? = nil,
        _ deliver: @escaping @EventLoop (Result<Berth, EtcdError>) -> Void
    ) -> Ticket? {
        whenReady(avoiding: avoided) { [weak self] result in
            switch result {
            case .failure(let error): deliver(.failure(error))
            case .success(let link):
                guard let self else { return }
                context.tokens.whenKnown(over: self) { token in
                    deliver(token.map { Berth(link: link, token: $0) })
                }
            }
        }
    }

    func forget(_ ticket: Ticket) {
        waiters.removeAll { $0.ticket == ticket }
    }

    /// Why there is no connection, for whoever has waited in vain.
    var unavailability: EtcdError { unavailability(of: subchannels) }

    /// Why there is no connection to `endpoint`.
    func unavailability(of endpoint: Endpoint) -> EtcdError { unavailability(of: [subchannel(at: endpoint)]) }

    private func unavailability(of subchannels: [Subchannel]) -> EtcdError {
        let reasons = subchannels.compactMap { subchannel in
            subchannel.lastError.map { "\(subchannel.endpoint): \($0)" }
        }
        if reasons.isEmpty {
            let endpoints = subchannels.map(\.endpoint.description).joined(separator: ", ")
            return EtcdError(.unavailable, "no connection to \(endpoints) was made in time")
        }
        let isMisconfigured = subchannels.allSatisfy { $0.lastError?.kind.isMisconfiguration == true }
        let code: EtcdError.Code = isMisconfigured ? .misconfigured : .unavailable
        return EtcdError(code, "no endpoint is reachable: \(reasons.joined(separator: "; "))")
    }

    /// Fails those who wait for endpoints that were tried in vain since, and that have been misconfigured from the start or
    /// shall not be waited for.
    private func failHopeless() {
        let failing = waiters.filter { waiter in
            let relevant = waiter.endpoint.map { [subchannel(at: $0)] } ?? subchannels
            let isProven = waiter.endpoint == nil ? hasConnected : relevant.contains(where: \.hasConnected)
            return waiter.failsFast
                && relevant.allSatisfy { subchannel in
                    guard let error = subchannel.lastError, subchannel.failed >= waiter.since else { return false }
                    if error.kind.isMisconfiguration && !isProven { return true }
                    return !configuration.waitsForConnection && error.kind != .silent
                }
        }
        let tickets = Set(failing.map(\.ticket))
        waiters.removeAll { tickets.contains($0.ticket) }
        for waiter in failing {
            waiter.deliver(.failure(waiter.endpoint.map(unavailability(of:)) ?? unavailability))
        }
    }

    /// Avoids an endpoint until it has shown that it is well.
    func suspect(_ endpoint: Endpoint, _ reason: EtcdError) {
        subchannels.first { $0.endpoint == endpoint }?.suspect(reason)
    }

    /// Replaces the endpoints; connections to those that stay go on.
    func setEndpoints(_ endpoints: [Endpoint]) {
        let targets = Set(endpoints.map(context.tls.target(of:)))
        let old = subchannels
        if isClosed || endpoints.isEmpty || targets == Set(old.map(\.target)) { return }
        subchannels = context.tls.distinct(endpoints).map { endpoint in
            let target = context.tls.target(of: endpoint)
            return (old + guests).first { $0.target == target } ?? Subchannel(endpoint, of: self)
        }
        guests.removeAll { targets.contains($0.target) }
        for subchannel in old where !targets.contains(subchannel.target) {
            subchannel.retire(ConnectionError(.draining, "the endpoint is no longer in use"), closing: false)
        }
        context.published.withLock { $0.hasAlternatives = targets.count > 1 }
        context.report(.endpointsChanged(self.endpoints))
        update()
    }

    /// Closes the connections and fails all that waits for one.
    ///
    /// Calls in flight fail with them.
    func close() {
        isClosed = true
        context.tokens.close()
        for subchannel in subchannels + guests {
            subchannel.retire(ConnectionError(.closedByUs, "the client was closed"), closing: true)
        }
        context.published.withLock { $0.links = [] }
        serveWaiters(.failure(EtcdError(.clientClosed, "the client was closed"))) { _ in true }
    }

    // MARK: Subchannels

    /// A subchannel has got or lost its connection or its trust.
    func changed(_ subchannel: Subchannel) {
        if isClosed { return }
        if let link = subchannel.link {
            hasConnected = true
            serveWaiters(.success(link)) { $0.endpoint == link.endpoint }
        } else {
            failHopeless()
        }
        let isLost = subchannels.allSatisfy { $0.link == nil && $0.lastError != nil }
        if isLost {
            // The list of members may lead nowhere, so the user's endpoints are tried again.
            let present = Set(subchannels.map(\.target))
            let missing = configuration.endpoints.filter { !present.contains(context.tls.target(of: $0)) }
            if !missing.isEmpty { return setEndpoints(endpoints + missing) }
        }
        update()
    }

    /// Whether `subchannel` is still to be connected.
    func wants(_ subchannel: Subchannel) -> Bool {
        if waiters.contains(where: { $0.endpoint == subchannel.endpoint }) { return true }
        if !subchannels.contains(where: { $0 === subchannel }) { return false }
        let isAwaited = waiters.contains { $0.endpoint == nil }
        return switch configuration.failover {
        case .roundRobin: isAwaited || subchannels.contains { $0.link != nil }
        case .sticky: isAwaited
        }
    }

    /// Whether `subchannel` is to be asked how it is before it gets calls.
    func examines(_ subchannel: Subchannel) -> Bool {
        hasAlternatives && subchannels.contains { $0 === subchannel }
    }

    private func update() {
        let ready = subchannels.filter { $0.link != nil }
        let trusted = ready.filter(\.isTrusted)
        // Rather an endpoint that is to be avoided than none, but not before the others have failed.
        let isHopeless = subchannels.allSatisfy { $0.link != nil || $0.lastError != nil }
        var usable = trusted.isEmpty && isHopeless ? ready : trusted
        if case .sticky = configuration.failover {
            let chosen = usable.first { $0.endpoint == preferred } ?? usable.first
            if let chosen, chosen.endpoint != preferred {
                if let preferred { context.report(.failedOver(from: preferred, to: chosen.endpoint)) }
                preferred = chosen.endpoint
            }
            usable = chosen.map { [$0] } ?? []
        }
        let links = usable.compactMap(\.link)
        context.published.withLock { $0.links = links }
        if let link = nextLink() { serveWaiters(.success(link)) { $0.endpoint == nil } }
        connectAsNeeded()
    }

    private func connectAsNeeded() {
        switch configuration.failover {
        case .roundRobin:
            for subchannel in subchannels where wants(subchannel) { subchannel.connect() }
        case .sticky:
            // One after the other, the one that has waited longest first.
            let isProvided = subchannels.contains { $0.link != nil && $0.isTrusted }
            let chosen = Set(waiters.compactMap(\.endpoint))
            let isConnecting = subchannels.contains {
                !$0.isIdle && $0.link == nil && !chosen.contains($0.endpoint)
            }
            let isInUse = waiters.contains { $0.endpoint == nil } || subchannels.contains { $0.link != nil }
            if isInUse, !isProvided, !isConnecting {
                subchannels.filter(\.isIdle).min { $0.due < $1.due }?.connect()
            }
        }
        for endpoint in Set(waiters.compactMap(\.endpoint)) { subchannel(at: endpoint).connect() }
    }

    private func serveWaiters(_ result: Result<Link, EtcdError>, where isMeant: (Waiter) -> Bool) {
        let served = waiters.filter(isMeant)
        waiters.removeAll(where: isMeant)
        for waiter in served { waiter.deliver(result) }
    }

    // MARK: Single endpoints

    /// The subchannel of `endpoint`, a guest if it is not the client's.
    private func subchannel(at endpoint: Endpoint) -> Subchannel {
        let target = context.tls.target(of: endpoint)
        if let present = (subchannels + guests).first(where: { $0.target == target }) { return present }
        let guest = Subchannel(endpoint, of: self)
        guests.append(guest)
        return guest
    }

    /// Someone needs a connection to `endpoint` no longer: a guest goes with the last who does.
    func leave(_ endpoint: Endpoint) {
        let target = context.tls.target(of: endpoint)
        guard let guest = guests.first(where: { $0.target == target }) else { return }
        let isInUse = guest.link.map { $0.connection.openStreamCount > 0 } ?? false
        if isInUse || waiters.contains(where: { $0.endpoint == guest.endpoint }) { return }
        guests.removeAll { $0 === guest }
        guest.retire(ConnectionError(.closedByUs, "the endpoint is no longer needed"), closing: true)
    }
}
