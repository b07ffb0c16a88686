// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lease that is kept alive, for the keys of locks and other patterns; many of them can share one session.
///
/// ```swift
/// try await client.withSession { session in
///     try await client.put("workers/7", "ready", lease: session.lease.id)
/// }
/// ```
///
/// A session is lost when its lease is not renewed in time, or ends at the server. The client judges that by its own clock,
/// from the times at which it sent renewals, and a little early: ``isAlive`` turns false before the server can end a lease
/// that is not renewed. A lost session stays lost; open another.
///
/// The clock goes on while the machine sleeps, and is compared at each call: a process that was stopped finds its session
/// lost as soon as it asks. A session that is dropped without ``close(timeout:)`` is no longer renewed, and ends by itself.
public final class Session: Sendable {
    /// The lease, to attach keys to.
    public let lease: Lease
    let client: EtcdClient
    let lifetime: Lifetime
    private let latest = LatestValue<SessionState>()
    private let keeping: Task<Void, Never>
    let cleanup: KeyCleanup
    let holdWatcher = HoldWatcher()
    let batcher = TransactionBatcher()
    private let ending = Lock<BackgroundJob?>(nil)
    private let revoked = Lock(false)
    let witness: StoreWitness

    /// Opens a session: grants a lease, and keeps it alive from now on.
    ///
    /// - Parameters:
    ///   - client: The client that renews the lease.
    ///   - timeToLive: How long others wait for what is held here when this process has died, in whole seconds (rounded
    ///     up), at least 2 s. etcd raises it to its minimum (2 s with its default settings).
    /// - Throws: ``EtcdError`` when the lease cannot be granted, with the code `invalidArgument` for a time to live of
    ///   less than 2 s, which is too short to be renewed safely.
    public init(_ client: EtcdClient, timeToLive: Duration = .seconds(15)) async throws(EtcdError) {
        try Self.check(timeToLive: timeToLive)
        let sent = ContinuousClock.now
        let lease = try await client.leases.grant(timeToLive: timeToLive)
        let lifetime = Lifetime(until: sent + lease.timeToLive - Self.margin(of: lease))
        self.lease = lease
        self.client = client
        self.lifetime = lifetime
        let witness = StoreWitness(reading: Key("\(lease.id)"))
        self.witness = witness
        cleanup = KeyCleanup(client, witness)
        keeping = Task { [latest] in await Self.keep(lease, client, lifetime, witness, latest) }
        holdWatcher.begin(for: self)
        lifetime.observe { [batcher] _ in batcher.end() }
    }

    deinit {
        lifetime.end(CoordinationLoss(.closed))
        keeping.cancel()
    }

    /// Refuses a time to live that leaves no time for a second renewal.
    static func check(timeToLive: Duration) throws(EtcdError) {
        if timeToLive < .seconds(2) {
            throw EtcdError(.invalidArgument, "a time to live of \(timeToLive): a session needs 2 s at least")
        }
    }

    // MARK: How it stands

    /// Whether the session has not been lost or closed: compares the clock at each call.
    public var isAlive: Bool { lifetime.loss == nil }

    /// How long the session certainly lives from now on, if its lease is not renewed; zero once it is lost.
    public var remaining: Duration { lifetime.remaining }

    /// Waits until the session is lost or closed, and returns the reason.
    ///
    /// - Throws: `CancellationError`.
    public var lost: CoordinationLoss {
        get async throws { try await lifetime.lost() }
    }

    /// The current state, and then each new one, with warnings when the lease is at risk.
    ///
    /// A slow consumer gets the newest only. The sequence ends when the session is lost or closed.
    public var states: AsyncStream<SessionState> { latest.listen() }

    /// How long before the end of its lease a session counts as lost: `timeToLive / 100 + max(timeToLive / 10, 0.5 s)`.
    ///
    /// The first part allows for clocks that differ in speed by one percent, the second for the time between a look at the
    /// clock and its consequence.
    static func margin(of timeToLive: Duration) -> Duration {
        timeToLive / 100 + max(timeToLive / 10, .milliseconds(500))
    }

    private static func margin(of lease: Lease) -> Duration { margin(of: lease.timeToLive) }

    // MARK: Renewals

    private static func keep(
        _ lease: Lease,
        _ client: EtcdClient,
        _ lifetime: Lifetime,
        _ witness: StoreWitness,
        _ latest: LatestValue<SessionState>
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await renew(lease, client, lifetime, witness, latest) }
            group.addTask { await lifetime.expireInTime() }
            await group.next()
            group.cancelAll()
        }
        // Without renewals, nothing is held.
        lifetime.end(CoordinationLoss(.closed))
        let loss = lifetime.loss ?? CoordinationLoss(.closed)
        if loss.reason != .closed {
            client.report(.sessionLost(lease.id, reason: loss.reason.description, loss.cause))
        }
        latest.send(.lost(loss), isLast: true)
    }

    private static func renew(
        _ lease: Lease,
        _ client: EtcdClient,
        _ lifetime: Lifetime,
        _ witness: StoreWitness,
        _ latest: LatestValue<SessionState>
    ) async {
        do throws(EtcdError) {
            var states = client.leases.keepAlive(lease).makeAsyncIterator()
            var interruptions = 0
            while let state = try await states.next() {
                if states.interruptions != interruptions {
                    interruptions = states.interruptions
                    // The renewal counts only once it is clear that it was made at the store that is known.
                    let loss = await witness.examine(client, attempt: attemptTimeout(lease, client))
                    if let loss { return lifetime.end(loss) }
                }
                let deadline = state.deadline - margin(of: lease)
                guard lifetime.extend(to: deadline) else { return }
                switch state {
                case .active: latest.send(.active(until: deadline))
                case .atRisk(_, let cause): latest.send(.atRisk(until: deadline, cause))
                }
            }
        } catch {
            if error.code != .cancelled { lifetime.end(CoordinationLoss(ofLease: error)) }
        }
    }

    // MARK: The end

    /// Ends the session: everything that is held on it is lost, and its lease is revoked.
    ///
    /// End the work under locks of the session before. The lease is revoked also when the caller's task is cancelled. If the
    /// timeout is over before that, it goes on in the background, until the lease has ended by itself or the client is
    /// closed. For a session that is lost already, this returns at once. Closing twice does nothing.
    ///
    /// - Parameter timeout: How long to wait for the revocation.
    public func close(timeout: Duration = .seconds(5)) async {
        await end(CoordinationLoss(.closed), timeout)
    }

    /// Gives the session up, because a key on it could not be deleted.
    func abandon(_ cause: EtcdError?) async {
        await end(CoordinationLoss(.abandoned, cause: cause), .zero)
    }

    /// Ends the session; the first call does it, and the others wait for it.
    private func end(_ loss: CoordinationLoss, _ timeout: Duration) async {
        lifetime.end(loss)
        let job = ending.withLock { job in
            if let job { return job }
            let new = client.inBackground { await self.finish() }
            job = new
            return new
        }
        await job.wait(lifetime.loss?.reason == .closed ? timeout : .zero)
    }

    /// How long a release waits by default.
    static let patience = Duration.seconds(5)
    /// How long something that was cancelled, or has run out of time, may take to clean up; then the cleanup goes on in the
    /// background.
    static let grace = Duration.milliseconds(500)

    private func finish() async {
        keeping.cancel()
        await keeping.value
        await holdWatcher.close()
        await cleanup.close()
        if lifetime.loss?.reason == .leaseEnded { return }
        let deadline = ContinuousClock.now + min(lease.timeToLive, client.timeout)
        do throws(EtcdError) {
            try await client.retryingUntilKnown(until: deadline, attempt: attemptTimeout) { client throws(EtcdError) in
                try await client.leases.revoke(lease.id)
            }
            revoked.withLock { $0 = true }
        } catch {
            // The lease is gone already or ends by itself, as documented.
        }
    }

    /// Its lease is revoked, and all its keys are deleted.
    var isRevoked: Bool { revoked.withLock { $0 } }

    /// How long one attempt of several may take.
    var attemptTimeout: Duration { Self.attemptTimeout(lease, client) }

    private static func attemptTimeout(_ lease: Lease, _ client: EtcdClient) -> Duration {
        min(client.timeout, max(.seconds(1), lease.timeToLive / 3))
    }

    // MARK: Keys that were given up

    /// Deletes `key` now and whenever it appears, until the session ends, and the key with it.
    ///
    /// A put whose outcome is unknown may take effect late, after the key was deleted.
    func deleteWhenever(_ key: Key) {
        // The keys of one session in one queue begin alike.
        let id = "\(lease.id)-"
        let prefix = key.bytes.firstRange(of: id.utf8).map { Key(bytes: Array(key.bytes[..<$0.upperBound])) }
        cleanup.delete(key, whenever: prefix ?? key)
    }
}
