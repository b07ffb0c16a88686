// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter about the service registry.
extension Snippets {
    static func registration(_ client: EtcdClient, _ serve: @escaping @Sendable () async throws -> Void) async throws {
        let registry = try ServiceRegistry(client, prefix: "services")
        let instance = ServiceInstance(
            service: "api-server",
            id: "api-1",
            address: "192.168.1.100",
            port: 8080,
            metadata: ["version": "1.0.0", "region": "us-east-1"]
        )
        try await registry.withRegistration(of: instance) { registration in
            try await serve()
        }
    }

    static func registrationHandle(
        _ registry: ServiceRegistry,
        _ instance: ServiceInstance,
        _ requestsAreAnswered: @escaping @Sendable () async throws -> Void
    ) async throws {
        let registration = try await registry.register(instance, timeToLive: .seconds(10), check: .http("/health"))
        try await registration.update { $0.weight = 3 }
        try await registration.drain(propagation: .seconds(2)) { try await requestsAreAnswered() }
    }

    static func registrationStates(_ registration: Registration) async {
        for await state in registration.states {
            switch state {
            case .pending(let cause): print("not visible yet:", cause.map { "\($0)" } ?? "nothing has failed")
            case .registered(let revision): print("visible since revision", revision)
            case .degraded(let cause): print("perhaps invisible:", cause)
            case .superseded(let successor): print("replaced by the one at", successor.endpoint)
            case .deregistered: print("gone")
            }
        }
    }

    static func discover(_ registry: ServiceRegistry) async throws {
        for instance in try await registry.discover("api-server").available {
            print("found \(instance.id) at \(instance.endpoint)")
        }
    }

    static func discovery(_ registry: ServiceRegistry) async throws {
        try await registry.withDiscovery(of: "api-server") { discovery in
            try await discovery.waitUntilAvailable()
            for try await event in discovery.events {
                switch event {
                case .added(let instance): print("added", instance.id)
                case .updated(let instance, let previous): print(instance.id, "was", previous.status)
                case .removed(let instance, let how): print(instance.id, "has", how)
                case .suspected(let instance): print(instance.id, "has vanished with many others")
                case .confirmed(let instance): print(instance.id, "is there after all")
                case .healthChanged(let instance, let isHealthy): print(instance.id, isHealthy ? "is well" : "is ill")
                }
            }
        }
    }

    static func discoveryOptions(_ registry: ServiceRegistry) async throws {
        var options = DiscoveryOptions()
        options.massLoss?.grace = .seconds(60)
        options.check = .tcp
        options.check?.interval = .seconds(2)
        let discovery = try await registry.discovery(of: "api-server", options: options)
        print(discovery.instances.count, "instances,", discovery.view.available.count, "of which take requests")
        for problem in discovery.view.problems { print("no instance:", problem) }
        await discovery.close()
    }
}
