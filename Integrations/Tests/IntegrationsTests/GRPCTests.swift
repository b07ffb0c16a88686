// SPDX-License-Identifier: Apache-2.0

import EtcdGRPC
import EtcdKit
import EtcdPatterns
import EtcdTesting
import GRPCCore
import GRPCNIOTransportCore
import Testing

@Suite("EtcdGRPC", .timeLimit(.minutes(2)))
struct GRPCTests {
    private func addresses(_ registry: ServiceRegistry) throws -> RPCAsyncSequence<NameResolutionResult, any Error> {
        var resolvers = NameResolverRegistry.defaults
        resolvers.registerFactory(EtcdNameResolver(registry))
        return try #require(resolvers.makeResolver(for: .etcd(service: "greeter"))).names
    }

    @Test("EtcdNameResolver reports the addresses of the instances that are up, whenever they change")
    func addresses() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let a = ServiceInstance(service: "greeter", id: "a", address: "127.0.0.1", port: 8081)
            let b = ServiceInstance(service: "greeter", id: "b", address: "::1", port: 8082)
            let (first, second) = (
                Endpoint(addresses: [.ipv4(host: "127.0.0.1", port: 8081)]),
                Endpoint(addresses: [.ipv6(host: "::1", port: 8082)])
            )
            let registration = try await registry.register(a)
            var names = try addresses(registry).makeAsyncIterator()
            var result = try await names.next()
            #expect(result?.endpoints == [first])
            #expect(try result?.serviceConfig?.get().loadBalancingConfig == [.roundRobin])

            let other = try await registry.register(b)
            result = try await names.next()
            #expect(result?.endpoints == [first, second])
            try await registration.update { $0.metadata["color"] = "blue" }
            try await registration.update { $0.status = .draining }
            result = try await names.next()
            #expect(result?.endpoints == [second])
            // No change is reported: the last addresses stay.
            await other.deregister()
            try await registration.update { $0.status = .up }
            result = try await names.next()
            #expect(result?.endpoints == [first])
            await registration.deregister()
        }
    }

    @Test("EtcdNameResolver looks names up, and throws while there is no instance")
    func names() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let addresses = try addresses(registry)
            var names = addresses.makeAsyncIterator()
            do {
                _ = try await names.next()
                Issue.record("there is no instance")
            } catch {
                let error = error as? RPCError
                #expect(error?.code == .unavailable)
                #expect(error?.message.contains("no instance of \"greeter\"") == true)
            }

            // A new iteration is a new attempt.
            let instance = ServiceInstance(service: "greeter", id: "a", address: "localhost", port: 8081)
            let registration = try await registry.register(instance)
            names = addresses.makeAsyncIterator()
            let result = try await names.next()
            #expect(result?.endpoints.count == 1)
            #expect(result?.endpoints.first?.addresses.contains(.ipv4(host: "127.0.0.1", port: 8081)) == true)
            await registration.deregister()
        }
    }

    @Test("EtcdNameResolver ends with CancellationError when its task is cancelled")
    func cancellation() async throws {
        try await withEtcd { client, _ in
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "greeter", id: "a", address: "127.0.0.1", port: 8081)
            let registration = try await registry.register(instance)
            let addresses = try addresses(registry)
            let following = Task {
                for try await _ in addresses {}
            }
            try await Task.sleep(for: .milliseconds(200))
            following.cancel()
            await #expect(throws: CancellationError.self) { try await following.value }
            await registration.deregister()
        }
    }
}
