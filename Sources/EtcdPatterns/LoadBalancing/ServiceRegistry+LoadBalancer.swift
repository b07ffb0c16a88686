// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension ServiceRegistry {
    /// Balances over the instances of a service while `body` runs, which starts when all that are there are known.
    ///
    /// ```swift
    /// try await registry.withLoadBalancer(for: "api-server") { balancer in
    ///     try await balancer.withInstance { instance in try await call(instance.address, instance.port) }
    /// }
    /// ```
    ///
    /// When the instances cannot be followed any more (the user may not read the keys, or the client is closed), the task of
    /// `body` is cancelled, and once `body` has ended, the reason is thrown. While etcd is away, the balancer goes on with
    /// those that it knows.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones.
    ///   - discovery: What to make of what the store says, and active checks.
    ///   - body: Uses the balancer, which follows the service until the scope ends.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``EtcdError``, among its codes `invalidArgument`.
    @discardableResult
    public func withLoadBalancer<Result: Sendable>(
        for service: String,
        policy: BalancingPolicy = .roundRobin,
        options: LoadBalancerOptions = LoadBalancerOptions(),
        discovery: DiscoveryOptions = DiscoveryOptions(),
        _ body: @escaping @Sendable (LoadBalancer) async throws -> Result
    ) async throws -> Result {
        try await withDiscovery(of: service, options: discovery) { discovery in
            let balancer = LoadBalancer(service, policy: policy, options: options)
            balancer.update(discovery.snapshot)
            async let _: Void = balancer.follow(discovery)
            return try await body(balancer)
        }
    }

    /// Balances over the instances of a service until the balancer is closed or dropped.
    ///
    /// For where a scope does not fit; see ``withLoadBalancer(for:policy:options:discovery:_:)``. When the instances cannot
    /// be followed any more, ``LoadBalancer/failure`` has the reason, and the balancer goes on with those that it knows.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones.
    ///   - discovery: What to make of what the store says, and active checks.
    /// - Returns: A balancer with all instances that are there.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`.
    public func loadBalancer(
        for service: String,
        policy: BalancingPolicy = .roundRobin,
        options: LoadBalancerOptions = LoadBalancerOptions(),
        discovery: DiscoveryOptions = DiscoveryOptions()
    ) async throws(EtcdError) -> LoadBalancer {
        let discovery = try await self.discovery(of: service, options: discovery)
        let balancer = LoadBalancer(service, policy: policy, options: options)
        balancer.update(discovery.snapshot)
        balancer.attach(discovery)
        return balancer
    }
}

extension LoadBalancer {
    func update(_ snapshot: ServiceSnapshot) { update(snapshot.instances, unhealthy: snapshot.unhealthy) }

    /// Takes over what a discovery knows, and its active checks, until it ends.
    ///
    /// - Parameter discovery: The discovery, which others may use too.
    /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended.
    public func follow(_ discovery: ServiceDiscovery) async throws(EtcdError) {
        var snapshots = discovery.snapshots.makeAsyncIterator()
        while let snapshot = try await snapshots.next() { update(snapshot) }
    }
}
