// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LoadBalancer: excluded instances", .live, .timeLimit(.minutes(1)))
struct ExclusionTests {
    private func instance(_ id: String) -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "10.0.0.1", port: 80)
    }

    @Test("an excluded instance of a list gets no request, also if it is the only one")
    func list() throws {
        let balancer = LoadBalancer("api", options: LoadBalancerOptions(excluding: ["own"]))
        balancer.update([instance("own")])
        #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
        balancer.update([instance("own"), instance("other")])
        for _ in 0..<10 { #expect(try balancer.pick().instance.id == "other") }
        #expect(balancer.statistics.instances.map(\.id) == ["other"])
    }

    @Test("a process excludes its own registration, whenever it comes and changes")
    func discovery() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let own = try await registry.register(instance("own"))
            let options = LoadBalancerOptions(excluding: [own.instance.id])
            try await registry.withLoadBalancer(for: "api", options: options) { balancer in
                #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
                let other = try await registry.register(instance("other"))
                try await balancer.waitUntilAvailable(timeout: .seconds(30))
                try await own.update { $0.weight = 9 }
                try await other.update { $0.weight = 2 }
                try await eventually("the last change has come") {
                    balancer.statistics.instances.map(\.instance.weight) == [2]
                }
                for _ in 0..<10 { #expect(try balancer.pick().instance.id == "other") }
                await other.deregister()
                try await eventually("the other is gone") { balancer.statistics.instances.isEmpty }
                #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
            }
            await own.deregister()
        }
    }

    @Test("following a discovery ends without an error when the task is cancelled")
    func cancelledFollow() async throws {
        try await withLiveClient { client, name in
            let discovery = try await ServiceRegistry(client, prefix: "\(name)").discovery(of: "api")
            let balancer = LoadBalancer("api")
            let following = Task { try await balancer.follow(discovery) }
            try await Task.sleep(for: .milliseconds(50))
            following.cancel()
            try await following.value
            let ended = Task { try await balancer.follow(discovery) }
            await discovery.close()
            await expectError(.cancelled) { try await ended.value }
        }
    }
}
