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
/// The clock runs while the machine sleeps, and is compared at each call: a process that was stopped finds the session
/// lost at once. A session that is dropped is closed in the background.
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
    ///   - timeToLive: How long others wait for the grants of this session after this process has died, in whole
    ///     seconds (rounded up), at least 2 s. etcd raises it to its minimum (2 s with its default settings).
    /// - Throws: ``EtcdError`` when the lease cannot be granted, with the code `invalidArgument` for a time to live of
    ///   less than 2 s, which is too short to be renewed safely.
    public init(_ client: EtcdClient, timeToLive: Duration = .seconds(15)) async throws(EtcdError) {
        try Self.check(timeToLive: timeToLive)
        let lease = try await client.leases.grant(timeToLive: timeToLive)
        let end = lease.grantSent.instant + lease.timeToLive
        let lifetime = Lifetime(until: end - Self.margin(of: lease.timeToLive))
        self.lease = lease
        self.client = client
        self.lifetime = lifetime
        witness = StoreWitness(reading: Key("\(lease.id)"))
        cleanup = KeyCleanup(client)
        let keeper = SessionKeeper(lease: lease, client: client, lifetime: lifetime, witness: witness, latest: latest)
        keeping = Task { await keeper.run() }
        holdWatcher.begin(for: self)
        lifetime.observe { [batcher] _ in batcher.end() }
    }

    deinit {
        let isLost = lifetime.loss != nil
        lifetime.end(CoordinationLoss(.closed))
        keeping.cancel()
        if !isLost { client.inBackground { [lease, client] in await Self.revoke(lease, client) } }
    }

    /// Refuses a time to live that leaves no time for a second renewal.
    static func check(timeToLive: Duration) throws(EtcdError) {
        if timeToLive < .seconds(2) {
            throw EtcdError(.invalidArgument, "a time to live of \(timeToLive): a session needs 2 s at least")
        }
    }

    // MARK: State

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
    /// A slow consumer gets only the newest. The sequence ends when the session is lost or closed.
    public var states: AsyncStream<SessionState> { latest.listen() }

    /// How long before the end of its lease a session counts as lost: `timeToLive / 100 + max(timeToLive / 10, 0.5 s)`.
    ///
    /// The first part allows for clocks that differ in speed by one percent, the second for the time between a check of
    /// the clock and its consequence.
    static func margin(of timeToLive: Duration) -> Duration {
        timeToLive / 100 + max(timeToLive / 10, .milliseconds(500))
    }

    /// How much earlier than the session a hold may end, so that a renewal, after a third of the time to live, extends it
    /// in time.
    static func longestDrain(of timeToLive: Duration) -> Duration {
        max(.zero, timeToLive - timeToLive / 3 - margin(of: timeToLive) - .milliseconds(500))
    }

    // MARK: The end

    /// Ends the session: everything that is held on it is lost, and its lease is revoked.
    ///
    /// First end the work under locks of the session. The lease is revoked also when the caller's task is cancelled. If
    /// the timeout is over before that, it goes on in the background, until the lease has ended by itself or the client
    /// is closed. For a session that is lost already, this returns at once. Closing twice does nothing.
    ///
    /// - Parameter timeout: How long to wait for the revocation.
    public func close(timeout: Duration = .seconds(5)) async {
        await end(CoordinationLoss(.closed), timeout)
    }

    /// Ends the session; the first call does it, and the others wait for it.
    func end(_ loss: CoordinationLoss, _ timeout: Duration = .zero) async {
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
        let isDone = await Self.revoke(lease, client)
        revoked.withLock { $0 = isDone }
    }

    /// Revokes the lease; if that fails, it is gone already, or ends by itself.
    ///
    /// - Returns: Whether it is revoked.
    @discardableResult
    private static func revoke(_ lease: Lease, _ client: EtcdClient) async -> Bool {
        let end = ContinuousClock.Instant.after(min(lease.timeToLive, client.timeout))
        let attempt = attemptTimeout(lease, client)
        let done: Void? = try? await client.retryingUntilKnown(until: end, attempt: attempt) {
            client throws(EtcdError) in
            try await client.leases.revoke(lease.id)
        }
        return done != nil
    }

    /// Its lease is revoked, and all its keys are deleted.
    var isRevoked: Bool { revoked.withLock { $0 } }

    /// How long one attempt of several may take.
    var attemptTimeout: Duration { Self.attemptTimeout(lease, client) }

    fileprivate static func attemptTimeout(_ lease: Lease, _ client: EtcdClient) -> Duration {
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

/// Renews the lease of a session, which it does not keep alive.
private struct SessionKeeper: Sendable {
    let lease: Lease
    let client: EtcdClient
    let lifetime: Lifetime
    let witness: StoreWitness
    let latest: LatestValue<SessionState>

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await renew() }
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

    private func renew() async {
        do throws(EtcdError) {
            var states = client.leases.keepAlive(lease).makeAsyncIterator()
            var interruptions = 0
            while let state = try await states.next() {
                if states.interruptions != interruptions {
                    interruptions = states.interruptions
                    // The renewal counts only once it is certain that the store is the same as before.
                    let loss = await witness.examine(client, attempt: Session.attemptTimeout(lease, client))
                    if let loss { return lifetime.end(loss) }
                }
                let deadline = state.deadline - Session.margin(of: lease.timeToLive)
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
}

/// The state of a session; see ``Session/states``.
///
/// More may be added, so a `switch` over states needs a `default`.
public enum SessionState: Sendable, CustomStringConvertible {
    /// The session certainly lives until the instant; its lease is renewed before that.
    case active(until: ContinuousClock.Instant)
    /// No renewal was answered for two thirds of the time to live: without an answer, the session is lost at the instant.
    ///
    /// The error is the reason, as far as that is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)
    /// The session is lost or closed; nothing comes after this.
    case lost(CoordinationLoss)

    /// The state in one line.
    public var description: String {
        switch self {
        case .active(let end): "active, for \(max(.zero, end - .now)) without a renewal"
        case .atRisk(let end, let cause):
            "at risk, for \(max(.zero, end - .now)) more\(cause.map { ": \($0)" } ?? "")"
        case .lost(let loss): "\(loss)"
        }
    }
}

extension EtcdClient {
    /// Opens a session, runs `body` with it, and closes it.
    ///
    /// If the session is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if
    /// `body` has returned. `body` runs in a task of its own, so that it can be cancelled.
    ///
    /// - Parameters:
    ///   - timeToLive: How long others wait for the grants of this session after this process has died, in whole
    ///     seconds (rounded up).
    ///   - body: Does the work that needs the session.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the session was lost; ``EtcdError`` when its lease
    ///   could not be granted.
    public func withSession<Result: Sendable>(
        timeToLive: Duration = .seconds(15),
        _ body: @escaping @Sendable (Session) async throws -> Result
    ) async throws -> Result {
        let session = try await Session(self, timeToLive: timeToLive)
        return try await releasing({ await session.close() }) {
            try await session.lifetime.whileHeld { try await body(session) }
        }
    }
}
