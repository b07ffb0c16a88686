// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceRegistry: without etcd", .cluster, .timeLimit(.minutes(3)))
struct OfflineTests {
    private let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)

    enum Outage: CaseIterable {
        /// Nobody accepts connections.
        case refused
        /// Connections are accepted, and nothing is answered.
        case silent
    }

    private func begin(_ outage: Outage, _ proxy: FaultProxy) async {
        switch outage {
        case .refused:
            await proxy.refuseConnections()
            await proxy.cut()
        case .silent: await proxy.stall(.both)
        }
    }

    private func end(_ outage: Outage, _ proxy: FaultProxy) async throws {
        switch outage {
        case .refused: try await proxy.acceptConnections()
        case .silent:
            await proxy.resume()
            await proxy.cut()
        }
    }

    @Test(
        "all start after their initial wait with the data that is there, are stale, and recover by themselves",
        arguments: Outage.allCases
    )
    func start(_ outage: Outage) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            await begin(outage, proxy)
            let registry = try ServiceRegistry(client)
            let start = ContinuousClock.now
            let registration = try await registry.register(instance, initialWait: .milliseconds(300))
            guard case .pending = registration.state else { throw RegistryTestError(text: "\(registration.state)") }
            var options = DiscoveryOptions()
            options.initialWait = .milliseconds(300)
            let discovery = try await registry.discovery(of: "api", options: options)
            #expect(discovery.isStale && discovery.staleness == nil)
            #expect(discovery.instances.isEmpty && discovery.view.revision == 0)
            let balancer = try await registry.loadBalancer(for: "api", discovery: options)
            #expect(balancer.isStale)
            let error = #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
            #expect(error?.isStale == true)
            try await registry.withLoadBalancer(for: "api", discovery: options) { balancer in
                #expect(balancer.isStale)
            }
            try await registry.withRegistration(
                of: ServiceInstance(service: "other", id: "x", address: "h", port: 1),
                initialWait: .zero
            ) { registration in
                if case .pending = registration.state {} else { Issue.record("\(registration.state)") }
            }
            // The time of a call is ten seconds.
            #expect(.now - start < .seconds(9))
            #expect(try await witness.range(.all).entries.isEmpty, "the control")
            try await end(outage, proxy)
            try await eventually(within: .seconds(60), "it is visible") {
                if case .registered = registration.state {
                    try await witness.get("services/api/api-1") != nil
                } else {
                    false
                }
            }
            try await eventually(within: .seconds(60), "it is discovered") { discovery.instances == [instance] }
            #expect(!discovery.isStale && discovery.view.suspects.isEmpty)
            try await balancer.waitUntilAvailable(timeout: .seconds(60))
            #expect(try balancer.pick().instance == instance)
            #expect(!balancer.isStale)
            await balancer.close()
            await discovery.close()
            await registration.deregister()
            #expect(try await witness.get("services/api/api-1") == nil)
        }
    }

    @Test(
        "deregistering without etcd takes no longer than its timeout, and goes on in the background",
        arguments: Outage.allCases
    )
    func deregister(_ outage: Outage) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let registration = try await ServiceRegistry(client).register(instance, timeToLive: .seconds(60))
            await begin(outage, proxy)
            let start = ContinuousClock.now
            await registration.deregister(timeout: .milliseconds(200))
            await registration.deregister(timeout: .milliseconds(200))
            #expect(.now - start < .seconds(5))
            #expect(try await witness.get("services/api/api-1") != nil, "the control")
            if outage == .silent { await proxy.resume() } else { try await proxy.acceptConnections() }
            try await eventually("it is gone, long before its lease") {
                try await witness.get("services/api/api-1") == nil
            }
            try await eventually("a state reports it") {
                if case .deregistered = registration.state { true } else { false }
            }
        }
    }

    @Test(
        "closing the client ends a deregistration, and a later deregistration ends at once",
        arguments: [true, false]
    )
    func closedClient(isUnderWay: Bool) async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let registration = try await ServiceRegistry(client).register(instance, timeToLive: .seconds(60))
            await begin(.silent, proxy)
            if isUnderWay { await registration.deregister(timeout: .milliseconds(100)) }
            await client.close()
            await registration.deregister(timeout: .seconds(60))
            if case .deregistered = registration.state {} else { Issue.record("\(registration.state)") }
            // The deregistration has ended.
            for await _ in registration.states {}
            await expectLoss(.released) { try await registration.update { $0.weight = 2 } }
        }
    }

    @Test("deregistering does not wait for a registration whose lease is lost")
    func lostLease() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let registration = try await ServiceRegistry(client).register(instance, timeToLive: .seconds(2))
            await begin(.silent, proxy)
            try await eventually("the lease is lost") {
                if case .degraded(let error) = registration.state { error is CoordinationLoss } else { false }
            }
            let start = ContinuousClock.now
            await registration.deregister(timeout: .seconds(60))
            #expect(.now - start < .seconds(8), "neither the deletion nor the revocation was tried")
            if case .deregistered = registration.state {} else { Issue.record("\(registration.state)") }
            try await eventually("the entry ends with its lease") { try await witness.get("services/api/api-1") == nil }
        }
    }

    @Test("a whole scope, from its start without etcd to its end, is bounded by default")
    func scope() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            await begin(.silent, proxy)
            let registry = try ServiceRegistry(client)
            let start = ContinuousClock.now
            try await registry.withRegistration(of: instance) { registration in
                #expect(.now - start < .seconds(15))
                let isDone = Lock(false)
                try await registration.drain {
                    try await Task.sleep(for: .milliseconds(100))
                    isDone.withLock { $0 = true }
                }
                #expect(isDone.withLock { $0 }, "a drain is not a loss: it waits for the requests")
            }
            // Five seconds to start, five to mark the instance as draining, and five to deregister.
            #expect(.now - start < .seconds(30))
        }
    }
}
