// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceRegistry: health checks", .live, .timeLimit(.minutes(2)))
struct HealthCheckTests {
    private func instance(_ port: Int, address: String = "127.0.0.1") -> ServiceInstance {
        ServiceInstance(service: "api", id: "api-1", address: address, port: port)
    }

    @Test("HTTP: any status of success passes, others, silence and nonsense do not")
    func http() async throws {
        let server = try await HTTPServer()
        var check = HealthCheck.http("/health?full")
        check.timeout = .seconds(5)
        for (status, passes) in [(200, true), (204, true), (301, false), (404, false), (503, false)] {
            await server.answer(with: status)
            #expect(await check.passes(instance(server.port)) == passes, "\(status)")
        }
        let request = try #require(await server.requests.first)
        #expect(request == "GET /health?full HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nConnection: close\r\n\r\n")
        // No injection of headers by a path.
        #expect(await !HealthCheck.http("/a\r\nX: y").passes(instance(server.port)))
        await server.answer(with: nil)
        check.timeout = .milliseconds(200)
        let start = ContinuousClock.now
        #expect(await !check.passes(instance(server.port)))
        #expect(.now - start >= .milliseconds(200))
        // The control: it can be reached.
        #expect(await HealthCheck.tcp.passes(instance(server.port)))
        await server.stop()
        #expect(await !check.passes(instance(server.port)))
        // etcd's port for HTTP/2 is no server of HTTP/1.
        #expect(await !HealthCheck.http("/").passes(instance(1, address: "no.such.host.invalid")))
    }

    @Test("TCP: passes if a server listens, by address and by name")
    func tcp() async throws {
        let server = try await HTTPServer()
        #expect(await HealthCheck.tcp.passes(instance(server.port)))
        #expect(await HealthCheck.tcp.passes(instance(server.port, address: "localhost")))
        #expect(await !HealthCheck.tcp.passes(instance(70_000)))
        await server.stop()
        try await eventually("nobody listens") { await !HealthCheck.tcp.passes(instance(server.port)) }
    }

    @Test("a custom check is cancelled at its timeout")
    func timeout() async throws {
        let wasCancelled = Lock(false)
        var check = HealthCheck { _ in
            do { try await Task.sleep(for: .seconds(60)) } catch {
                wasCancelled.withLock { $0 = true }
                throw error
            }
        }
        check.timeout = .milliseconds(100)
        #expect(await !check.passes(instance(1)))
        #expect(wasCancelled.withLock { $0 })
    }

    @Test("a discovery with checks excludes an unhealthy instance until it is healthy again")
    func discovery() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let server = try await HTTPServer()
            var settings = DiscoveryOptions()
            settings.check = HealthCheck.http("health")
            settings.check?.interval = .milliseconds(30)
            let options = settings
            let described = instance(server.port)
            try await registry.withRegistration(of: described) { _ in
                try await registry.withDiscovery(of: "api", options: options) { discovery in
                    var events = discovery.events.makeAsyncIterator()
                    #expect(try await events.next() == .added(described))
                    try await eventually("it is checked") { await server.requests.count > 3 }
                    #expect(discovery.view.available == [described])
                    await server.answer(with: 500)
                    #expect(try await events.next() == .healthChanged(described, isHealthy: false))
                    #expect(discovery.view.available.isEmpty && discovery.instances == [described])
                    await server.answer(with: 200)
                    #expect(try await events.next() == .healthChanged(described, isHealthy: true))
                    #expect(try await discovery.waitUntilAvailable(atLeast: 1).available == [described])
                }
            }
            // With the scope, the checks have ended.
            let count = await server.requests.count
            try await Task.sleep(for: .milliseconds(200))
            #expect(await server.requests.count == count)
            await server.stop()
        }
    }
}
