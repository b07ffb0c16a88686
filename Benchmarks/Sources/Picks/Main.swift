// SPDX-License-Identifier: Apache-2.0

import EtcdPatterns

/// Measures how many requests per second a load balancer can distribute from one task.
@main
struct Picks {
    static func main() async throws {
        let policies: [(String, BalancingPolicy)] = [
            ("round robin", .roundRobin), ("weighted round robin", .weightedRoundRobin), ("random", .random),
            ("weighted random", .weightedRandom), ("least connections", .leastConnections),
            ("peak EWMA", .peakEWMA()), ("consistent hash", .consistentHash()),
            ("consistent hash, no bound", .consistentHash(excess: nil)),
        ]
        for (name, policy) in policies {
            for count in [3, 100] {
                let balancer = LoadBalancer("api", policy: policy)
                balancer.update(
                    (0..<count).map {
                        ServiceInstance(service: "api", id: "api-\($0)", address: "10.0.0.\($0)", port: 80)
                    }
                )
                let total = 300_000
                let start = ContinuousClock.now
                for _ in 0..<total { try await balancer.withInstance(for: "user-1234") { _ in } }
                let seconds = (ContinuousClock.now - start) / .seconds(1)
                print("\(name), \(count) instances: \(Int(Double(total) / seconds)) requests per second")
            }
        }
    }
}
