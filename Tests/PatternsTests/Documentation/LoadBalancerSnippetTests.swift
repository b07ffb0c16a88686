// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The chapter about the load balancer", .live, .timeLimit(.minutes(2)))
struct LoadBalancerSnippetTests {
    @Test("its code runs")
    func snippetsRun() async throws {
        // The names of the chapter are in a namespace of their own, since other chapters use them too.
        try await withLiveClient { client, name in
            let client = client.with(namespace: name + "/")
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                let registration = try await ServiceRegistry(client).register(
                    ServiceInstance(service: "api-server", id: "api-1", address: "192.168.1.100", port: 8080)
                )
                let fetched = Lock<[String]>([])
                let fetch = { @Sendable (address: String, port: Int) in
                    let number = fetched.withLock {
                        $0.append("\(address):\(port)")
                        return $0.count
                    }
                    if number == 2 { throw Snippets.Unreachable() }
                    return "page"
                }
                try await Snippets.balancing(client, fetch)
                try await Snippets.balancerHandle(ServiceRegistry(client))
                let balancer = Snippets.balancingOptions()
                try await Snippets.balancingRetries(balancer, fetch)
                Snippets.balancingStatistics(balancer)
                let tried = fetched.withLock { $0 }
                #expect(tried.count == 3 && tried[0] == "192.168.1.100:8080")
                #expect(Set(tried.dropFirst()) == ["10.0.0.1:5432", "10.0.0.2:5432"])
                await #expect(throws: Snippets.NotFound.self) {
                    try await Snippets.balancingRetries(balancer) { _, _ in throw Snippets.NotFound() }
                }
                #expect(balancer.statistics.retries == 1)
                #expect(balancer.statistics.instances.reduce(0) { $0 + $1.failures } == 1)
                await registration.deregister()
            }
        }
    }
}
