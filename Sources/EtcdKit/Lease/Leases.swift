// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Grants, revokes, renews and lists leases.
    public var leases: Leases { Leases(client: self) }
}

/// The leases of a cluster.
public struct Leases: Sendable {
    let client: EtcdClient

    /// Grants a lease.
    ///
    /// The client chooses the ID, so a grant whose outcome is unknown is repeated with the same ID until the outcome is
    /// known or the deadline has passed. If a repetition shows that the lease exists, and its ID is random, it is this
    /// lease.
    ///
    /// Its lifetime is counted from the first attempt. If the grant took longer than a third of the time to live, for
    /// example because there was no connection at first, the lease is renewed, and its lifetime is counted from then.
    ///
    /// - Parameters:
    ///   - timeToLive: How long the lease lives without a renewal, in whole seconds (rounded up). etcd raises it to its
    ///     minimum (2 s with its default settings).
    ///   - id: The number of the lease; nil for a random one.
    /// - Returns: The lease, with the time to live that was granted.
    /// - Throws: ``EtcdError``, among its codes `leaseExists`, `leaseTTLTooLarge` and `ambiguous`, which for an ID of your
    ///   own can also mean that the lease exists, from this grant or from before.
    public func grant(timeToLive: Duration, id: Lease.ID? = nil) async throws(EtcdError) -> Lease {
        if timeToLive <= .zero {
            throw EtcdError(.invalidArgument, "a lease of \(timeToLive); it must be longer than zero")
        }
        if let id, id.rawValue <= 0 {
            throw EtcdError(.invalidArgument, "the lease ID \(id.rawValue) is not positive")
        }
        return try await grant(timeToLive: timeToLive, id ?? .random, isRandom: id == nil)
    }

    /// Grants a lease, whose ID the caller knows before the grant is sent.
    package func grant(timeToLive: Duration, _ id: Lease.ID, isRandom: Bool) async throws(EtcdError) -> Lease {
        let sent = MonotonicInstant.now
        let request = Wire.LeaseGrantRequest(timeToLive: timeToLive.bounded.wholeSeconds, id: id.rawValue)
        let deadline = sent + client.timeout
        switch try await client.callUntilCertain(Wire.leaseGrant, request, doneIf: .leaseExists, deadline) {
        case .success(let response):
            if !response.error.isEmpty { throw EtcdError(.server, response.error) }
            let grantedID = Lease.ID(rawValue: response.id)
            return await renewedIfLate(Lease(id: grantedID, timeToLive: .seconds(response.timeToLive), grantSent: sent))
        case .failure(let error):
            if !isRandom {
                throw EtcdError(.ambiguous, "the lease \(id) is from this grant or from before", cause: error)
            }
            let status = try await client.with(timeout: deadline - .now).leases.timeToLive(of: id)
            return await renewedIfLate(Lease(id: id, timeToLive: status.grantedTimeToLive, grantSent: sent))
        }
    }

    /// Renews a lease whose grant took long: little of its lifetime, as counted from then, may be left.
    private func renewedIfLate(_ lease: Lease) async -> Lease {
        guard .now - lease.grantSent > lease.timeToLive / 3 else { return lease }
        let deadline = ContinuousClock.now + min(client.timeout, lease.timeToLive)
        // A failure takes nothing from the lease: its lifetime counts from the grant.
        let renewal = try? await client.core.leaseKeeper.renewOnce(lease.id, deadline: deadline)
        guard let renewal else { return lease }
        let sent = MonotonicInstant(renewal.deadline - renewal.timeToLive)
        return Lease(id: lease.id, timeToLive: renewal.timeToLive, grantSent: sent)
    }

    /// Ends a lease and deletes its keys.
    ///
    /// A revocation whose outcome is unknown is repeated until the outcome is known or the deadline has passed. If this
    /// client keeps the lease alive, the ``keepAlive(_:)-(Lease.ID)`` throws `leaseLost`.
    ///
    /// - Parameter id: The lease.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound` and `ambiguous`.
    public func revoke(_ id: Lease.ID) async throws(EtcdError) {
        let request = Wire.LeaseRequest(id: id.rawValue)
        let deadline = MonotonicInstant.now + client.timeout
        _ = try await client.callUntilCertain(Wire.leaseRevoke, request, doneIf: .leaseNotFound, deadline)
        await client.core.leaseKeeper.revoked(id)
    }

    /// Asks how long a lease lives.
    ///
    /// - Parameters:
    ///   - id: The lease.
    ///   - withKeys: Returns its keys too, those within the client's namespace.
    /// - Returns: The status of the lease.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound`.
    public func timeToLive(of id: Lease.ID, withKeys: Bool = false) async throws(EtcdError) -> LeaseStatus {
        let request = Wire.LeaseTimeToLiveRequest(id: id.rawValue, withKeys: withKeys)
        let response = try await client.call(Wire.leaseTimeToLive, request)
        // etcd answers for a lease that it does not know with a negative time.
        if response.timeToLive < 0 { throw EtcdError(.leaseNotFound, "there is no lease \(id)") }
        return LeaseStatus(
            id: id,
            grantedTimeToLive: .seconds(response.grantedTimeToLive),
            remainingTimeToLive: .seconds(response.timeToLive),
            keys: response.keys.map(Key.init(bytes:))
        )
    }

    /// Lists all leases of the cluster.
    ///
    /// - Returns: Their numbers.
    /// - Throws: ``EtcdError``.
    public func list() async throws(EtcdError) -> [Lease.ID] {
        try await client.call(Wire.leaseLeases, Wire.EmptyRequest()).leases.map { Lease.ID(rawValue: $0.id) }
    }

    /// Renews a lease once.
    ///
    /// - Parameter id: The lease.
    /// - Returns: The renewal.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound`.
    @discardableResult
    public func keepAliveOnce(_ id: Lease.ID) async throws(EtcdError) -> LeaseRenewal {
        try await client.core.leaseKeeper.renewOnce(id, deadline: .now + client.timeout)
    }

    /// Renews a lease each time a third of its time to live has passed, and returns its states.
    ///
    /// The lease is kept alive from the first call of `next()` until the iterator is dropped, also while no task waits
    /// for a state: the iterator then holds the newest one. When a task is cancelled, its `next()` throws `cancelled`,
    /// and a `for` loop drops its iterator. Renewals that are not answered are sent to another endpoint. The iteration
    /// ends by throwing: `leaseNotFound` if the lease never existed, `permissionDenied` if the user may not put one of
    /// its keys, or `leaseLost` if the lease has ended. The cause of `leaseLost` is `leaseNotFound` if the server has
    /// ended the lease, or the last failure of a renewal if the lease has run out.
    ///
    /// - Parameter id: The lease.
    /// - Returns: The states of the lease.
    public func keepAlive(_ id: Lease.ID) -> KeepAliveSequence {
        KeepAliveSequence(core: client.core, id: id)
    }

    /// Renews a lease like ``keepAlive(_:)-(Lease.ID)``, and counts its lifetime from its grant on.
    ///
    /// - Parameter lease: The lease, as it was granted.
    /// - Returns: The states of the lease.
    public func keepAlive(_ lease: Lease) -> KeepAliveSequence {
        KeepAliveSequence(core: client.core, id: lease.id, granted: lease)
    }
}

extension EtcdClient {
    /// Makes a call again while its outcome is unknown, for calls that do no harm when they are made twice.
    ///
    /// - Returns: The answer; or, after an attempt with an unknown outcome, the error of the code `done` of a later one,
    ///   which shows that it was successful.
    fileprivate func callUntilCertain<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ message: Message,
        doneIf done: EtcdError.Code,
        _ deadline: MonotonicInstant
    ) async throws(EtcdError) -> Result<Answer, EtcdError> {
        let loop = AttemptLoop(retry, maximumAttempts: retry.maximumAttempts, until: deadline)
        var ambiguity: EtcdError?
        var isOver = false
        return try await loop.run { (_) throws(EtcdError) in
            do throws(EtcdError) {
                return .success(try await with(timeout: deadline - .now).call(method, message))
            } catch {
                if error.code == .ambiguous {
                    ambiguity = error
                    throw error
                }
                isOver = true
                guard let ambiguity else { throw error }
                if error.code == done { return .failure(error) }
                // However this attempt ended, nothing is known of the one before.
                throw error.code == .cancelled ? error : ambiguity
            }
        } after: { _ in
            isOver ? .nothing : .afterPause
        }
    }
}

extension Duration {
    /// The duration in seconds, rounded up.
    fileprivate var wholeSeconds: Int64 {
        let components = bounded.components
        return components.seconds + (components.attoseconds > 0 ? 1 : 0)
    }
}
