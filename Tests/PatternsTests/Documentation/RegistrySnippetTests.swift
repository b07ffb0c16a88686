// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The chapter about the service registry", .live, .timeLimit(.minutes(2)))
struct RegistrySnippetTests {
    @Test("its code runs")
    func snippetsRun() async throws {
        try await withLiveClient { client, _ in
            let registry = try ServiceRegistry(client)
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                let served = Lock(0)
                try await Snippets.registration(client) { served.withLock { $0 += 1 } }
                #expect(served.withLock { $0 } == 1)
                let endless = Task { try await Snippets.discovery(registry) }
                let server = try await HTTPServer()
                let instance = ServiceInstance(service: "api-server", id: "a", address: "127.0.0.1", port: server.port)
                let registration = try await registry.register(instance)
                try await Snippets.discover(registry)
                try await Snippets.discoveryOptions(registry)
                let states = Task { await Snippets.registrationStates(registration) }
                // It replaces the other registration.
                try await Snippets.registrationHandle(registry, instance) {}
                await states.value
                guard case .superseded = registration.state else { throw RegistryTestError(text: "no supersession") }
                endless.cancel()
                await #expect(throws: CancellationError.self) { try await endless.value }
                #expect(try await registry.discover("api-server").instances.isEmpty)
                await server.stop()
            }
        }
    }
}
