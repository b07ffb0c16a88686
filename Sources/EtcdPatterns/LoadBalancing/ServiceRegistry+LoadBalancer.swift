// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension ServiceRegistry {
    /// Balances over the instances of a service while `body` runs.
    ///
    /// `body` starts when all current instances are known, or without any after ``DiscoveryOptions/initialWait``; see
    /// ``LoadBalancer/isStale``.
    ///
    /// ```swift
    /// try await registry.withLoadBalancer(for: "api-server") { balancer in
    ///     try await balancer.withInstance { instance in try await call(instance.address, instance.port) }
    /// }
    /// ```
    ///
    /// If the instances cannot be followed any more (the user may not read the keys, or the client is closed), the task
    /// of `body` is cancelled, and once `body` has ended, the reason is thrown. While etcd cannot be reached, the
    /// balancer keeps using the known instances.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones, excluded instances.
    ///   - discovery: Protection from mass losses, and active checks.
    ///   - body: Uses the balancer, which follows the service until the scope ends.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError``, among its codes `invalidArgument`.
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
            balancer.begin(with: discovery)
            async let _: Void = balancer.follow(discovery)
            return try await body(balancer)
        }
    }

    /// Balances over the instances of a service until the balancer is closed or dropped.
    ///
    /// For code where a scope does not fit; see ``withLoadBalancer(for:policy:options:discovery:_:)``. If the instances
    /// cannot be followed any more, ``LoadBalancer/failure`` has the reason, and the balancer keeps using the known
    /// instances.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - policy: How instances are chosen.
    ///   - options: Outliers, retries, zones, excluded instances.
    ///   - discovery: Protection from mass losses, and active checks.
    /// - Returns: A balancer with all current instances, or without any after ``DiscoveryOptions/initialWait``.
    /// - Throws: ``EtcdError``, among its codes `invalidArgument`; `CancellationError`.
    public func loadBalancer(
        for service: String,
        policy: BalancingPolicy = .roundRobin,
        options: LoadBalancerOptions = LoadBalancerOptions(),
        discovery: DiscoveryOptions = DiscoveryOptions()
    ) async throws -> LoadBalancer {
        let discovery = try await self.discovery(of: service, options: discovery)
        let balancer = LoadBalancer(service, policy: policy, options: options)
        balancer.begin(with: discovery)
        balancer.attach(discovery)
        return balancer
    }
}
