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
    /// - Parameters:
    ///   - timeToLive: How long the lease lives without a renewal, in whole seconds (rounded up). etcd raises it to its
    ///     minimum (2 s with its default settings).
    ///   - id: The number of the lease; nil for a random one.
    /// - Returns: The lease, with the time to live that was granted.
    /// - Throws: ``EtcdError``, among its codes `leaseExists`, `leaseTTLTooLarge` and `ambiguous`.
    public func grant(timeToLive: Duration, id: Lease.ID? = nil) async throws(EtcdError) -> Lease {
        if timeToLive <= .zero {
            throw EtcdError(.invalidArgument, "a lease of \(timeToLive); it must be longer than zero")
        }
        if let id, id.rawValue <= 0 {
            throw EtcdError(.invalidArgument, "the lease ID \(id.rawValue) is not positive")
        }
        let sent = ContinuousClock.now
        let request = Wire.LeaseGrantRequest(
            timeToLive: timeToLive.wholeSeconds,
            id: (id ?? .random).rawValue
        )
        let response = try await client.call(Wire.leaseGrant, request)
        if !response.error.isEmpty { throw EtcdError(.server, response.error) }
        return Lease(
            id: Lease.ID(rawValue: response.id),
            timeToLive: .seconds(response.timeToLive),
            grantSent: sent
        )
    }

    /// Ends a lease and deletes its keys.
    ///
    /// - Parameter id: The lease.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound` and `ambiguous`.
    public func revoke(_ id: Lease.ID) async throws(EtcdError) {
        _ = try await client.call(Wire.leaseRevoke, Wire.LeaseRequest(id: id.rawValue))
    }

    /// Asks how long a lease lives.
    ///
    /// - Parameters:
    ///   - id: The lease.
    ///   - withKeys: Returns its keys too.
    /// - Returns: What etcd knows of the lease.
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

    /// Renews a lease again and again, each time a third of its time to live after the last renewal.
    ///
    /// The lease is kept alive from the first call of `next()` until the iterator is dropped or its task cancelled, also
    /// while nobody waits for a renewal: the iterator then holds the newest one. Broken connections are replaced. The
    /// iteration ends by throwing: `leaseNotFound` if the lease never was, `leaseLost` when it has ended.
    ///
    /// - Parameter id: The lease.
    /// - Returns: The renewals.
    public func keepAlive(_ id: Lease.ID) -> KeepAliveSequence {
        KeepAliveSequence(client: client, id: id, lease: nil)
    }

    /// Renews a lease again and again, like ``keepAlive(_:)-(Lease.ID)``, and judges from its grant on whether it is lost.
    ///
    /// - Parameter lease: The lease, as it was granted.
    /// - Returns: The renewals.
    public func keepAlive(_ lease: Lease) -> KeepAliveSequence {
        KeepAliveSequence(client: client, id: lease.id, lease: lease)
    }
}

extension Duration {
    /// The duration in seconds, rounded up.
    fileprivate var wholeSeconds: Int64 {
        components.seconds + (components.attoseconds > 0 ? 1 : 0)
    }
}
