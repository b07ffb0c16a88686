// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter about the load balancer.
extension Snippets {
    struct Unreachable: Error {}
    struct NotFound: Error {}

    static func balancing(
        _ client: EtcdClient,
        _ fetch: @escaping @Sendable (_ address: String, _ port: Int) async throws -> String
    ) async throws {
        let registry = try ServiceRegistry(client, prefix: "services")
        try await registry.withLoadBalancer(for: "api-server", policy: .roundRobin) { balancer in
            let page = try await balancer.withInstance { instance in
                try await fetch(instance.address, instance.port)
            }
            print(page)
        }
    }

    static func balancerHandle(_ registry: ServiceRegistry) async throws {
        let balancer = try await registry.loadBalancer(for: "api-server", policy: .leastConnections)
        try await balancer.waitUntilAvailable(timeout: .seconds(10))
        let picked = try balancer.pick()
        print("Route to: \(picked.instance.address):\(picked.instance.port)")
        picked.finish(.success)
        await balancer.close()
    }

    static func balancingRetries(
        _ balancer: LoadBalancer,
        _ fetch: @escaping @Sendable (_ address: String, _ port: Int) async throws -> String
    ) async throws {
        let page = try await balancer.withInstance(for: "user-42", retryIf: { $0 is Unreachable }) { instance in
            try await fetch(instance.address, instance.port)
        }
        print(page)
    }

    static func balancingOptions() -> LoadBalancer {
        var options = LoadBalancerOptions()
        options.zone = "eu-1a"
        options.outliers?.consecutiveFailures = 3
        options.retries = RetryBudget(share: 0.1)
        options.isFailure = { !($0 is NotFound) }
        let balancer = LoadBalancer("db", policy: .peakEWMA(), options: options)
        balancer.update([
            ServiceInstance(service: "db", id: "db-1", address: "10.0.0.1", port: 5432, zone: "eu-1a"),
            ServiceInstance(service: "db", id: "db-2", address: "10.0.0.2", port: 5432, zone: "eu-1b"),
        ])
        return balancer
    }

    static func balancingStatistics(_ balancer: LoadBalancer) {
        let statistics = balancer.statistics
        for instance in statistics.instances {
            print(instance.id, instance.health, instance.inFlight, instance.failures, instance.latency ?? .zero)
        }
        print(statistics.retries, "retries", statistics.isPanicking ? "and too few are healthy" : "")
    }
}
