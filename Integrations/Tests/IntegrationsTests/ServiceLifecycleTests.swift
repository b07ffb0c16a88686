// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdServiceLifecycle
import EtcdTesting
import ServiceLifecycle
import Testing

@Suite("EtcdServiceLifecycle", .timeLimit(.minutes(2)))
struct ServiceLifecycleTests {
    @Test("EtcdService.client closes the client after all services behind it")
    func client() async throws {
        try await withEtcdCluster { cluster in
            let client = try EtcdClient(endpoints: cluster.endpoints)
            let record = Record<String>()
            let last = EtcdService.closing("last") {
                do {
                    try await client.put("k", "v")
                    record.add("written")
                } catch {
                    record.add("\(error)")
                }
            }
            try await withServices([EtcdService.client(client), last]) { _ in try await client.put("k", "1") }
            #expect(record.all == ["written"])
            await #expect { try await client.get("k") } throws: { ($0 as? EtcdError)?.code == .clientClosed }
        }
    }

    @Test("EtcdService(run:) cancels its body at the shutdown, and ends without an error")
    func run() async throws {
        let record = Record<String>()
        let service = EtcdService("sleeper") {
            do {
                try await Task.sleep(for: .seconds(60))
            } catch {
                record.add("\(type(of: error))")
                throw error
            }
        }
        #expect("\(service)" == "sleeper")
        try await withServices([service]) { _ in try await Task.sleep(for: .milliseconds(50)) }
        #expect(record.all == ["CancellationError"])
    }

    @Test("EtcdService(run:) ends the group with the error of its body")
    func failure() async throws {
        struct Failure: Error {}
        let group = serviceGroup([EtcdService("failing") { throw Failure() }])
        await #expect(throws: Failure.self) { try await group.run() }
    }

    @Test("EtcdService.registration is seen from the start, drains, and is gone after the shutdown")
    func registration() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "127.0.0.1", port: 8080)
            let states = Record<String>()
            let service = EtcdService.registration(
                of: instance,
                in: registry,
                propagation: .milliseconds(300),
                onState: { states.add("\($0)") },
                onDrain: { states.add("draining") }
            )
            let discovery = try await registry.discovery(of: "api")
            let seen = Record<ServiceEvent>()
            let following = Task { for try await event in discovery.events { seen.add(event) } }
            try await withServices([service]) { _ in try await eventually { seen.all == [.added(instance)] } }
            try await eventually { seen.all.count == 3 }
            var draining = instance
            draining.status = .draining
            #expect(seen.all.dropFirst().first == .updated(draining, previous: instance))
            #expect(seen.all.last == .removed(draining, .deregistered))
            following.cancel()
            _ = await following.result
            #expect(states.all.contains { $0.hasPrefix("registered") })
            let ending = states.all.drop { $0 != "draining" }
            #expect(ending.first == "draining")
            #expect(!ending.contains { $0.hasPrefix("registered") })
            await discovery.close()
        }
    }

    @Test("EtcdService.registration waits for the port of its server, and is not seen if the shutdown comes first")
    func registrationWithoutServer() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            func service(_ ports: AsyncStream<Int>) -> EtcdService {
                EtcdService.registration(in: registry, propagation: .zero) {
                    let port = await ports.first { _ in true } ?? 1
                    return ServiceInstance(service: "api", id: "api-1", address: "127.0.0.1", port: port)
                }
            }
            let (never, _) = AsyncStream.makeStream(of: Int.self)
            try await withServices([service(never)]) { _ in
                try await Task.sleep(for: .milliseconds(100))
                #expect(try await registry.discover("api").instances.isEmpty)
            }
            #expect(try await registry.discover("api").instances.isEmpty)

            let (ports, port) = AsyncStream.makeStream(of: Int.self)
            try await withServices([service(ports)]) { _ in
                port.yield(4711)
                try await eventually { try await registry.discover("api").instances.first?.port == 4711 }
            }
        }
    }

    @Test("EtcdService.registration ends its group when another process registers as the same instance")
    func superseded() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "127.0.0.1", port: 8080)
            let group = serviceGroup([EtcdService.registration(of: instance, in: registry)])
            let running = Task { try await group.run() }
            try await eventually { try await !registry.discover("api").instances.isEmpty }
            let other = try await registry.register(instance)
            await #expect { try await running.value } throws: { ($0 as? CoordinationLoss)?.reason == .superseded }
            await other.deregister()
        }
    }

    @Test("EtcdService.registration ends in time although etcd is gone")
    func shutdownWithoutEtcd() async throws {
        try await withEtcd { client, cluster in
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "127.0.0.1", port: 8080)
            let services = [
                EtcdService.client(client),
                EtcdService.registration(of: instance, in: registry, propagation: .seconds(1)),
            ]
            let clock = ContinuousClock()
            var start = clock.now
            try await withServices(services) { _ in
                try await eventually { try await !registry.discover("api").instances.isEmpty }
                await cluster.members[0].kill()
                start = clock.now
            }
            #expect(clock.now - start < .seconds(11))
        }
    }

    @Test("EtcdService.election passes the leadership on at the shutdown, once its work has ended")
    func election() async throws {
        try await withEtcd { client, _ in
            let record = Record<String>()
            func service(_ name: String) throws -> EtcdService {
                let election = try LeaderElection("e", candidate: Value(name), on: .client(client))
                return EtcdService.election(election) { _ in
                    record.add("\(name) begins")
                    try? await Task.sleep(for: .seconds(60))
                    record.add("\(name) ends")
                }
            }
            let (first, second) = (serviceGroup([try service("a")]), serviceGroup([try service("b")]))
            async let firstRun: Void = first.run()
            try await eventually { record.all == ["a begins"] }
            async let secondRun: Void = second.run()
            try await eventually {
                try await LeaderElection("e", candidate: "x", on: .client(client)).candidates().count == 2
            }
            let start = ContinuousClock.now
            await first.triggerGracefulShutdown()
            try await firstRun
            try await eventually { record.all == ["a begins", "a ends", "b begins"] }
            // Far less than the time to live of a leader that has died.
            #expect(ContinuousClock.now - start < .seconds(5))
            await second.triggerGracefulShutdown()
            try await secondRun
            #expect(record.all.last == "b ends")
        }
    }

    @Test("EtcdService.configuration closes the configuration")
    func configuration() async throws {
        try await withEtcd { client, _ in
            let config = try await ConfigManager("config/app", client: client)
            try await withServices([EtcdService.configuration(config)]) { _ in
                try await config.set("port", 1)
                #expect(!config.isStale)
            }
            #expect(config.isStale)
        }
    }

    @Test("EtcdService.flags, discovery and balancer close what they are given")
    func closing() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let flags = try await FeatureFlags("flags", client: client, staleAfter: .milliseconds(500))
            let discovery = try await registry.discovery(of: "api")
            let balancer = try await registry.loadBalancer(for: "api")
            let services = [
                EtcdService.flags(flags), EtcdService.discovery(discovery), EtcdService.balancer(balancer),
            ]
            #expect(services.map(\.description) == ["flags flags", "discovery of api", "balancer of api"])
            try await withServices(services) { _ in
                try await flags.enable("new-ui")
                #expect(flags.isEnabled("new-ui"))
                #expect(!discovery.isStale)
                #expect(!balancer.isStale)
            }
            try await eventually { flags.isStale && discovery.isStale && balancer.isStale }
            #expect(flags.isEnabled("new-ui"))
        }
    }
}
