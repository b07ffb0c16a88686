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

    /// The state of a client as it was a moment ago, behind one lock, for calls that begin off the loop.
    struct Published {
        /// The connections that calls are spread over.
        var links: [Link] = []
        private var next = 0
        /// Calls have a choice of endpoints.
        var hasAlternatives: Bool
        /// The token, or that there is none; nil if it is to be waited for.
        var token: AuthToken??

        init(hasAlternatives: Bool = false) { self.hasAlternatives = hasAlternatives }

        /// The next connection in turn of those that are not to be avoided.
        mutating func nextLink(avoiding avoided: [Endpoint], _ failover: FailoverPolicy) -> Link? {
            for offset in 0..<links.count {
                let index = (next + offset) % links.count
                if !avoided.isEmpty, avoided.contains(links[index].endpoint) { continue }
                if case .roundRobin = failover { next = (index + 1) % links.count }
                return links[index]
            }
            return nil
        }
    }

    nonisolated let configuration: EtcdClient.Configuration
    /// The state that the loop has published for tasks that are not on it.
    nonisolated let published: Lock<Published>
    nonisolated let tokens: TokenStore
    nonisolated let identity = ClusterIdentity()
    nonisolated let tls: TLSContextSource
    nonisolated let missingMethods = MissingMethods()
    private lazy var subchannels = tls.distinct(configuration.endpoints).map { Subchannel($0, of: self) }
    /// The subchannels of temporary endpoints, each for as long as calls are made there.
    private var temporary: [Subchannel] = []
    /// Where all calls go with the policy ``FailoverPolicy/sticky``.
    private var preferred: Endpoint?
    /// All that wait for a connection, in the order in which they came.
    private var waiters: [Waiter] = []
    private var isClosed = false
    /// There was a connection, so the configuration is as it should be.
    private var hasConnected = false

    nonisolated init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        tls = TLSContextSource(configuration.tls)
        published = Lock(Published(hasAlternatives: tls.distinct(configuration.endpoints).count > 1))
        tokens = TokenStore(configuration.credentials, published)
    }

    /// Tells the user of an event.
    nonisolated func report(_ event: @autoclosure () -> EtcdClient.Event) { configuration.onEvent?(event()) }

    /// The metadata of a call or a stream at `endpoint`.
    nonisolated func metadata(
        for endpoint: Endpoint,
        deadline: MonotonicInstant? = nil,
        requiresLeader: Bool = false,
        token: AuthToken?,
        custom: CallMetadata? = nil
    ) -> GRPCMetadata {
        GRPCMetadata(
            authority: endpoint.authority,
            deadline: deadline,
            requiresLeader: requiresLeader,
            token: token,
            custom: custom ?? configuration.metadata
        )
    }

    // MARK: Connections

    /// The endpoints: those of the configuration, or those of the list of members.
    var endpoints: [Endpoint] { subchannels.map(\.endpoint) }

    /// There are several endpoints, so each is checked before it is chosen, and avoided if it is unhealthy.
    nonisolated var hasAlternatives: Bool { published.withLock { $0.hasAlternatives } }

    /// A connection, if there was one a moment ago: the next in turn of those that are not to be avoided, if any.
    ///
    /// If the connection has ended since, it refuses the call, which then certainly had no effect.
    nonisolated func nextLink(avoiding avoided: [Endpoint] = []) -> Link? {
        published.withLock { $0.nextLink(avoiding: avoided, configuration.failover) }
    }

    /// Whether there was a connection a moment ago that is not to be avoided.
    nonisolated func hasLink(avoiding avoided: [Endpoint]) -> Bool {
        published.withLock { $0.links.contains { !avoided.contains($0.endpoint) } }
    }

    /// All connections that stand.
    var links: [Link] { subchannels.compactMap(\.link) }

    /// Calls `deliver` with a connection, at once or as soon as there is one, or with an error when the client closes or
    /// the policy of the waiter says so.
    ///
    /// With an `endpoint`, it is a connection to that one, even if it is unhealthy. If the endpoint is not one of the
    /// client's, the connection is temporary: the caller calls ``leave(_:)`` after it has used it.
    ///
    /// - Returns: The wait, to be ended with ``forget(_:)`` if nobody waits any longer; nil if `deliver` was called.
    func whenReady(
        at endpoint: Endpoint? = nil,
        avoiding avoided: Endpoint? = nil,
        _ policy: WaitPolicy = .unlimited,
        _ deliver: @escaping @EventLoop (Result<Link, EtcdError>) -> Void
    ) -> Waiter? {
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
        let waiter = Waiter(place?.endpoint, policy, deliver)
        waiters.append(waiter)
        connectAsNeeded()
        if policy == .unlessFailed { failHopeless() }
        return waiter
    }

    func forget(_ waiter: Waiter) { waiters.removeAll { $0 === waiter } }

    /// Takes those out for whom `isMeant` is true.
    private func takeWaiters(where isMeant: (Waiter) -> Bool) -> [Waiter] {
        let taken = waiters.filter(isMeant)
        let ids = Set(taken.map(ObjectIdentifier.init))
        waiters.removeAll { ids.contains(ObjectIdentifier($0)) }
        return taken
    }

    /// Somebody waits for a connection to any endpoint.
    private var isAwaitedAnywhere: Bool { waiters.contains { $0.endpoint == nil } }

    /// The endpoints to which somebody waits for a connection.
    private var awaitedEndpoints: Set<Endpoint> { Set(waiters.compactMap(\.endpoint)) }

    /// Why there is no connection to `endpoint`, or to any.
    func unavailability(of endpoint: Endpoint? = nil) -> EtcdError {
        let subchannels = endpoint.map { [subchannel(at: $0)] } ?? subchannels
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

    /// Fails the waiters that need not wait any longer.
    private func failHopeless() {
        let failing = takeWaiters { waiter in
            let relevant = waiter.endpoint.map { [subchannel(at: $0)] } ?? subchannels
            let isProven = waiter.endpoint == nil ? hasConnected : relevant.contains(where: \.hasConnected)
            return relevant.allSatisfy { subchannel in
                guard let error = subchannel.lastError else { return false }
                let hasFailedSince = subchannel.failed >= waiter.since
                return switch waiter.policy {
                case .unlimited: false
                case .unlessMisconfigured: hasFailedSince && error.kind.isMisconfiguration && !isProven
                // An endpoint that did not answer at all is given another attempt.
                case .unlessFailed: hasFailedSince || subchannel.isPausing && error.kind != .silent
                }
            }
        }
        for waiter in failing { waiter.deliver(.failure(unavailability(of: waiter.endpoint))) }
    }

    /// Avoids an endpoint until a check shows that it is healthy.
    func suspect(_ endpoint: Endpoint, _ reason: EtcdError) {
        subchannels.first { $0.endpoint == endpoint }?.suspect(reason)
    }

    /// Replaces the endpoints; connections to those that stay are kept.
    func setEndpoints(_ endpoints: [Endpoint]) {
        let targets = Set(endpoints.map(tls.target(of:)))
        let old = subchannels
        if isClosed || endpoints.isEmpty || targets == Set(old.map(\.target)) { return }
        subchannels = tls.distinct(endpoints).map { endpoint in
            let target = tls.target(of: endpoint)
            return (old + temporary).first { $0.target == target } ?? Subchannel(endpoint, of: self)
        }
        temporary.removeAll { targets.contains($0.target) }
        for subchannel in old where !targets.contains(subchannel.target) {
            subchannel.retire(ConnectionError(.draining, "the endpoint is no longer in use"), closing: false)
        }
        published.withLock { $0.hasAlternatives = targets.count > 1 }
        report(.endpointsChanged(self.endpoints))
        update()
    }

    /// Closes the connections and fails all that waits for one.
    ///
    /// Calls in flight fail with them.
    func close() {
        isClosed = true
        tokens.close()
        for subchannel in subchannels + temporary {
            subchannel.retire(ConnectionError(.closedByUs, "the client was closed"), closing: true)
        }
        published.withLock { $0.links = [] }
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
            let missing = configuration.endpoints.filter { !present.contains(tls.target(of: $0)) }
            if !missing.isEmpty { return setEndpoints(endpoints + missing) }
        }
        update()
    }

    /// Whether `subchannel` is still to be connected.
    func wants(_ subchannel: Subchannel) -> Bool {
        if awaitedEndpoints.contains(subchannel.endpoint) { return true }
        if !subchannels.contains(where: { $0 === subchannel }) { return false }
        return switch configuration.failover {
        case .roundRobin: isAwaitedAnywhere || subchannels.contains { $0.link != nil }
        case .sticky: isAwaitedAnywhere
        }
    }

    /// Whether `subchannel` is to be checked before it gets calls.
    func examines(_ subchannel: Subchannel) -> Bool {
        hasAlternatives && subchannels.contains { $0 === subchannel }
    }

    private func update() {
        let ready = subchannels.filter { $0.link != nil }
        let trusted = ready.filter(\.isTrusted)
        // An endpoint that is avoided is better than none, but only after the others have failed.
        let isHopeless = subchannels.allSatisfy { $0.link != nil || $0.lastError != nil }
        var usable = trusted.isEmpty && isHopeless ? ready : trusted
        if case .sticky = configuration.failover {
            let chosen = usable.first { $0.endpoint == preferred } ?? usable.first
            if let chosen, chosen.endpoint != preferred {
                if let preferred { report(.failedOver(from: preferred, to: chosen.endpoint)) }
                preferred = chosen.endpoint
            }
            usable = chosen.map { [$0] } ?? []
        }
        let links = usable.compactMap(\.link)
        published.withLock { $0.links = links }
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
            let chosen = awaitedEndpoints
            let isConnecting = subchannels.contains {
                !$0.isIdle && $0.link == nil && !chosen.contains($0.endpoint)
            }
            let isInUse = isAwaitedAnywhere || subchannels.contains { $0.link != nil }
            if isInUse, !isProvided, !isConnecting {
                subchannels.filter(\.isIdle).min { $0.due < $1.due }?.connect()
            }
        }
        for endpoint in awaitedEndpoints { subchannel(at: endpoint).connect() }
    }

    private func serveWaiters(_ result: Result<Link, EtcdError>, where isMeant: (Waiter) -> Bool) {
        for waiter in takeWaiters(where: isMeant) { waiter.deliver(result) }
    }

    // MARK: Single endpoints

    /// The subchannel of `endpoint`, a temporary one if the endpoint is not the client's.
    private func subchannel(at endpoint: Endpoint) -> Subchannel {
        let target = tls.target(of: endpoint)
        if let present = (subchannels + temporary).first(where: { $0.target == target }) { return present }
        let subchannel = Subchannel(endpoint, of: self)
        temporary.append(subchannel)
        return subchannel
    }

    /// A call no longer needs the connection to `endpoint`: a temporary endpoint is removed with its last call.
    func leave(_ endpoint: Endpoint) {
        let target = tls.target(of: endpoint)
        guard let place = temporary.first(where: { $0.target == target }) else { return }
        let isInUse = place.link.map { $0.connection.openStreamCount > 0 } ?? false
        if isInUse || awaitedEndpoints.contains(place.endpoint) { return }
        temporary.removeAll { $0 === place }
        place.retire(ConnectionError(.closedByUs, "the endpoint is no longer needed"), closing: true)
    }
}
