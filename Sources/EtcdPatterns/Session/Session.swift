// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lease that is kept alive, on which locks and other patterns stand: many of them on one.
///
/// ```swift
/// try await client.withSession { session in
///     try await DistributedLock("report", session: session).withLock { grant in … }
/// }
/// ```
///
/// A session is lost when its lease is not renewed in time, or ends at the server. That is judged by this side's clock,
/// from when renewals were sent, and a little early: ``isAlive`` turns false before the server can end the lease for want
/// of a renewal. A session that is lost stays lost; open another.
///
/// The clock goes on while the machine sleeps, and is compared at each call: a process that was stopped finds its session
/// lost as soon as it asks. A session that is dropped without ``close(timeout:)`` is no longer renewed, and ends by itself.
public final class Session: Sendable {
    /// The lease, to attach keys to.
    public let lease: Lease
    let client: EtcdClient
    let tenure: Tenure
    private let news = SessionNews()
    private let keeping: Task<Void, Never>
    private let sweeper: Sweeper
    let lookout = Lookout()
    let batcher = TransactionBatcher()
    private let ending = Lock<BackgroundJob?>(nil)
    private let revoked = Lock(false)
    let witness: StoreWitness

    /// Opens a session: grants a lease, and keeps it alive from now on.
    ///
    /// - Parameters:
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait for what is held here, when this process has died, in whole seconds
    ///     (rounded up), at least 2 s. etcd raises it to its minimum (2 s with its default settings).
    /// - Throws: ``EtcdError`` when the lease cannot be granted, with the code `invalidArgument` for a time to live of
    ///   less than 2 s, which is too short to be renewed safely.
    public init(_ client: EtcdClient, timeToLive: Duration = .seconds(15)) async throws(EtcdError) {
        try Self.check(timeToLive: timeToLive)
        let sent = ContinuousClock.now
        let lease = try await client.leases.grant(timeToLive: timeToLive)
        let tenure = Tenure(until: sent + lease.timeToLive - Self.margin(of: lease))
        self.lease = lease
        self.client = client
        self.tenure = tenure
        let witness = StoreWitness(reading: Key("\(lease.id)"))
        self.witness = witness
        sweeper = Sweeper(client, witness)
        keeping = Task { [news] in await Self.keep(lease, client, tenure, witness, news) }
        lookout.begin(for: self)
        tenure.observe { [batcher] _ in batcher.end() }
    }

    deinit {
        tenure.end(CoordinationLoss(.closed))
        keeping.cancel()
    }

    /// Refuses a time to live that leaves no time for a second renewal.
    static func check(timeToLive: Duration) throws(EtcdError) {
        if timeToLive < .seconds(2) {
            throw EtcdError(.invalidArgument, "a time to live of \(timeToLive): a session needs 2 s at least")
        }
    }

    // MARK: How it stands

    /// The session has not been lost or closed: compares the clock at each call.
    public var isAlive: Bool { tenure.loss == nil }

    /// How long the session certainly lives from now on, if its lease is not renewed; zero once it is lost.
    public var remaining: Duration { max(.zero, (tenure.deadline ?? .now) - .now) }

    /// Waits until the session is lost or closed, and tells why.
    ///
    /// - Throws: ``EtcdError`` with the code `cancelled`.
    public var lost: CoordinationLoss {
        get async throws(EtcdError) { try await tenure.lost() }
    }

    /// The newest state, and those that follow: with warnings when the lease is at risk.
    ///
    /// Who is slow gets the newest only. The sequence ends when the session is lost or closed.
    public var states: AsyncStream<SessionState> { news.listen() }

    /// How long before the end of its lease work may no longer rely on it.
    ///
    /// Allows for clocks that differ in speed by a hundredth, and for what lies between a look at the clock and its
    /// consequence.
    static func margin(of timeToLive: Duration) -> Duration {
        timeToLive / 100 + max(timeToLive / 10, .milliseconds(500))
    }

    private static func margin(of lease: Lease) -> Duration { margin(of: lease.timeToLive) }

    // MARK: Renewals

    private static func keep(
        _ lease: Lease,
        _ client: EtcdClient,
        _ tenure: Tenure,
        _ witness: StoreWitness,
        _ news: SessionNews
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await renew(lease, client, tenure, witness, news) }
            group.addTask { await tenure.expireInTime() }
            await group.next()
            group.cancelAll()
        }
        // Whoever does not renew holds nothing.
        tenure.end(CoordinationLoss(.closed))
        let loss = tenure.loss ?? CoordinationLoss(.closed)
        if loss.reason != .closed {
            client.report(.sessionLost(lease.id, reason: loss.reason.description, loss.cause))
        }
        news.send(.lost(loss), isLast: true)
    }

    private static func renew(
        _ lease: Lease,
        _ client: EtcdClient,
        _ tenure: Tenure,
        _ witness: StoreWitness,
        _ news: SessionNews
    ) async {
        do throws(EtcdError) {
            var states = client.leases.keepAlive(lease).makeAsyncIterator()
            var interruptions = 0
            while let state = try await states.next() {
                if states.interruptions != interruptions {
                    interruptions = states.interruptions
                    // The renewal counts only once it is clear that it was made at the store that is known.
                    let loss = await witness.examine(client, attempt: attemptTimeout(lease, client))
                    if let loss { return tenure.end(loss) }
                }
                let deadline = state.deadline - margin(of: lease)
                guard tenure.extend(to: deadline) else { return }
                switch state {
                case .active: news.send(.active(until: deadline))
                case .atRisk(_, let cause): news.send(.atRisk(until: deadline, cause))
                }
            }
        } catch {
            if error.code != .cancelled { tenure.end(CoordinationLoss(ofLease: error)) }
        }
    }

    // MARK: The end

    /// Ends the session: what is held on it is lost, and its lease is revoked.
    ///
    /// End the work under locks of the session before. The lease is revoked also when the caller's task is cancelled. What
    /// is not done when this returns goes on in the background, until the lease has ended by itself or the client is
    /// closed. For a session that is lost already, this returns at once. Closing twice does nothing.
    ///
    /// - Parameter timeout: How long to wait for the revocation.
    public func close(timeout: Duration = .seconds(5)) async {
        await end(CoordinationLoss(.closed), timeout)
    }

    /// Gives the session up, since a key on it could not be deleted, for this reason.
    func abandon(_ cause: EtcdError?) async {
        await end(CoordinationLoss(.abandoned, cause: cause), .zero)
    }

    /// Ends it; only the first call does something, the others wait for it.
    private func end(_ loss: CoordinationLoss, _ timeout: Duration) async {
        tenure.end(loss)
        let job = ending.withLock { job in
            if let job { return job }
            let new = client.inBackground { await self.finish() }
            job = new
            return new
        }
        await job.wait(tenure.loss?.reason == .closed ? timeout : .zero)
    }

    /// How long the end of something is waited for that was given up, where the caller says nothing else.
    static let patience = Duration.seconds(5)
    /// How long something that is cancelled, or has run out of time, may take to clean up behind itself before that goes
    /// on in the background.
    static let grace = Duration.milliseconds(500)

    private func finish() async {
        keeping.cancel()
        await keeping.value
        await lookout.close()
        await sweeper.close()
        if tenure.loss?.reason == .leaseEnded { return }
        let deadline = ContinuousClock.now + min(lease.timeToLive, client.timeout)
        do throws(EtcdError) {
            try await client.insist(until: deadline, attempt: attemptTimeout) { client throws(EtcdError) in
                try await client.leases.revoke(lease.id)
            }
            revoked.withLock { $0 = true }
        } catch {
            // The lease is gone already or ends by itself, as documented.
        }
    }

    /// Its lease is revoked, and all that stood on it is deleted.
    var isRevoked: Bool { revoked.withLock { $0 } }

    /// How long one attempt of several may take.
    var attemptTimeout: Duration { Self.attemptTimeout(lease, client) }

    private static func attemptTimeout(_ lease: Lease, _ client: EtcdClient) -> Duration {
        min(client.timeout, max(.seconds(1), lease.timeToLive / 3))
    }

    // MARK: Keys that were given up

    /// Deletes `key`, of which no put can take effect any more, in the background.
    func sweepOnce(_ key: Key) {
        sweeper.delete(key)
    }

    /// Deletes `key`, now and whenever it comes to be, until the session ends, and the key with it.
    ///
    /// A put whose outcome is unknown may take effect late, after the key was deleted.
    func sweep(_ key: Key) {
        // The keys of one session in one queue begin alike.
        let id = "\(lease.id)-"
        let prefix = key.bytes.firstRange(of: id.utf8).map { Key(bytes: Array(key.bytes[..<$0.upperBound])) }
        sweeper.delete(key, whenever: prefix ?? key)
    }
}
