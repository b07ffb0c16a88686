// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns
@testable import EtcdTesting

@Suite("LoadBalancer: over a registry", .cluster, .timeLimit(.minutes(3)))
struct RollingRestartTests {
    /// A server and its registration.
    private struct Replica {
        let server: HTTPServer
        let registration: Registration

        init(_ id: String, _ registry: ServiceRegistry) async throws {
            server = try await HTTPServer(id, after: .milliseconds(5))
            registration = try await registry.register(
                ServiceInstance(service: "pages", id: id, address: "127.0.0.1", port: server.port),
                timeToLive: .seconds(30)
            )
        }

        /// Leaves in an orderly way.
        func drain() async throws {
            try await registration.drain(propagation: .seconds(1), timeout: .seconds(60)) { [server] in
                try await eventually("all is answered") { await server.inFlight == 0 }
            }
            await server.stop()
        }

        /// Ends as in a crash: its entry stays.
        func crash() async { await server.stop() }
    }

    /// The outcomes of calls.
    private struct Tally {
        var answers: [String: Int] = [:]
        var failures: [any Error] = []
    }

    /// Calls pages over and over while `body` runs.
    private func underLoad(
        _ balancer: LoadBalancer,
        retries: Bool,
        _ body: (Lock<Tally>) async throws -> Void
    ) async throws -> Tally {
        let tally = Lock(Tally())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
                group.addTask {
                    while !Task.isCancelled {
                        do {
                            // A page may be requested twice.
                            let page = try await balancer.withInstance(retryIf: { _ in retries }) { instance in
                                try await LoopbackHTTP.request(
                                    "/",
                                    port: UInt16(instance.port),
                                    deadline: .now + .seconds(30)
                                ).text
                            }
                            tally.withLock { $0.answers[page, default: 0] += 1 }
                        } catch {
                            if !Task.isCancelled { tally.withLock { $0.failures.append(error) } }
                        }
                    }
                }
            }
            try await body(tally)
            group.cancelAll()
        }
        return tally.withLock { $0 }
    }

    @Test("when three servers are restarted one after the other under load, no call fails")
    func rollingRestart() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            var replicas: [Replica] = []
            for number in 0..<3 { replicas.append(try await Replica("page-\(number)", registry)) }
            let balancer = try await registry.loadBalancer(for: "pages", policy: .leastConnections)
            #expect(balancer.statistics.instances.count == 3)
            let tally = try await underLoad(balancer, retries: true) { tally in
                for number in 0..<3 {
                    try await eventually(within: .seconds(60), "all are used") {
                        tally.withLock { $0.answers.values.count { $0 > 20 } == 3 }
                    }
                    try await replicas[number].drain()
                    replicas[number] = try await Replica("page-\(number)", registry)
                    let server = replicas[number].server
                    try await eventually(within: .seconds(60), "the new one is used") { await server.answers > 20 }
                }
            }
            #expect(tally.failures.isEmpty, "\(tally.failures.first.map { "\($0)" } ?? "")")
            #expect(tally.answers.values.reduce(0, +) > 120)
            #expect(balancer.failure == nil)
            // The control: without draining and retries, calls fail.
            let control = try await underLoad(balancer, retries: false) { tally in
                await replicas[0].crash()
                try await eventually(within: .seconds(60), "a call fails") { tally.withLock { !$0.failures.isEmpty } }
            }
            #expect(!control.failures.isEmpty)
            await balancer.close()
            for replica in replicas {
                await replica.registration.deregister()
                await replica.server.stop()
            }
        }
    }

    @Test("a crashed server is excluded before its entry is gone, and its calls are tried elsewhere")
    func crash() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            var made: [Replica] = []
            for number in 0..<4 { made.append(try await Replica("page-\(number)", registry)) }
            let replicas = made
            try await registry.withLoadBalancer(for: "pages") { balancer in
                let tally = try await underLoad(balancer, retries: true) { tally in
                    await replicas[0].crash()
                    try await eventually(within: .seconds(60), "it is ejected") {
                        balancer.statistics.instances.contains { $0.id == "page-0" && $0.health == .ejected }
                    }
                    tally.withLock { $0.answers = [:] }
                    try await eventually(within: .seconds(60), "the others are used") {
                        tally.withLock { $0.answers.values.reduce(0, +) > 200 }
                    }
                }
                #expect(tally.failures.isEmpty)
                let bad = try #require(balancer.statistics.instances.first { $0.id == "page-0" })
                let all = balancer.statistics.instances.reduce(0) { $0 + $1.successes + $1.failures }
                // Up to six were on their way when it crashed, and when it was ejected.
                #expect(bad.failures <= all / 50 + 17)
                #expect(balancer.statistics.instances.allSatisfy { $0.inFlight == 0 })
            }
            for replica in replicas {
                await replica.registration.deregister()
                await replica.server.stop()
            }
        }
    }

    @Test("a balancer follows instances that come, drain and go, and keeps them while etcd is away")
    func following() async throws {
        try await withEtcdCluster { cluster in
            try await withFaultProxy(to: try #require(cluster.endpoints.first)) { proxy in
                let (client, witness) = (
                    try EtcdClient(endpoints: proxy.endpoint), try EtcdClient(endpoints: cluster.endpoints[0])
                )
                let registry = try ServiceRegistry(witness)
                let balancer = try await ServiceRegistry(client).loadBalancer(for: "api")
                #expect(throws: NoInstanceAvailable.self) { try balancer.pick() }
                let registration = try await registry.register(instance("a"), timeToLive: .seconds(60))
                try await balancer.waitUntilAvailable(timeout: .seconds(30))
                #expect(try balancer.pick().instance == instance("a"))
                try await registration.update { $0.status = .draining }
                try await eventually("it drains") { (try? balancer.pick()) == nil }
                try await registration.update { $0.status = .up }
                try await balancer.waitUntilAvailable(timeout: .seconds(30))
                await proxy.refuseConnections()
                await proxy.cut()
                await registration.deregister()
                #expect(try balancer.pick().instance.id == "a", "the change has not arrived yet")
                try await proxy.acceptConnections()
                try await eventually("it is gone") { (try? balancer.pick()) == nil }
                await balancer.close()
                await client.close()
                await witness.close()
            }
        }
    }

    @Test("closing the client ends the scope with an error, and a balancer without a scope reports it")
    func closedClient() async throws {
        try await withLiveClient { witness, name in
            let client = try EtcdClient(endpoints: try await liveEndpoint())
            let registration = try await ServiceRegistry(witness, prefix: "\(name)").register(instance("a"))
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let balancer = try await registry.loadBalancer(for: "api")
            let entered = Lock(false)
            let scope = Task {
                try await registry.withLoadBalancer(for: "api") { _ in
                    entered.withLock { $0 = true }
                    try await Task.sleep(for: .seconds(600))
                }
            }
            try await eventually("the scope has begun") { entered.withLock { $0 } }
            await client.close()
            await expectError(.clientClosed) { try await scope.value }
            try await eventually("the balancer reports it") { balancer.failure?.code == .clientClosed }
            #expect(try balancer.pick().instance.id == "a")
            await registration.deregister()
        }
    }

    @Test("a balancer that is dropped is freed")
    func dropped() async throws {
        try await withLiveClient { client, name in
            weak var dropped: LoadBalancer?
            do {
                let balancer = try await ServiceRegistry(client, prefix: "\(name)").loadBalancer(for: "api")
                dropped = balancer
                #expect(balancer.failure == nil)
            }
            try await eventually("it is gone") { dropped == nil }
        }
    }
}
