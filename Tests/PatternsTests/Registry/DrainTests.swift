// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceRegistry: graceful exits", .live, .timeLimit(.minutes(2)))
struct DrainTests {
    private let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)

    @Test("a drain marks the instance, waits, deregisters, and then waits for the requests in flight, in this order")
    func sequence() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            let entry = try #require(try await client.get(name + "/api/api-1"))
            let log = Lock<[String]>([])
            try await registry.withDiscovery(of: "api") { discovery in
                let start = ContinuousClock.now
                try await registration.drain(propagation: .milliseconds(300)) {
                    let isGone = try await registry.discover("api").instances.isEmpty
                    log.withLock { $0.append(isGone ? "gone" : "there") }
                    try await Task.sleep(for: .milliseconds(50))
                    log.withLock { $0.append("finished") }
                }
                #expect(.now - start >= .milliseconds(350))
                #expect(log.withLock { $0 } == ["gone", "finished"])
                try await eventually("it is gone here, too") { discovery.instances.isEmpty }
            }
            var changes = client.watch(.prefix(name), from: entry.modRevision.next).makeAsyncIterator()
            let mark = try #require(try await changes.next())
            #expect(mark.kind == .put && mark.entry.value.description.contains("draining"))
            #expect(try await changes.next()?.kind == .delete)
            if case .deregistered = registration.state {} else { Issue.record("state") }
        }
    }

    @Test("others see an instance drain before it is gone, and see that it has deregistered")
    func observed() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            try await registry.withDiscovery(of: "api") { discovery in
                var events = discovery.events.makeAsyncIterator()
                #expect(try await events.next() == .added(instance))
                async let drained: Void = registration.drain(propagation: .seconds(1))
                guard case .updated(let now, _)? = try await events.next() else {
                    throw RegistryTestError(text: "no update")
                }
                #expect(now.status == .draining)
                #expect(discovery.view.available.isEmpty)
                #expect(try await events.next() == .removed(now, .deregistered))
                try await drained
            }
        }
    }

    @Test("requests that do not end in time are cancelled, and the error says that there were some")
    func tooLate() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            let wasCancelled = Lock(false)
            let error = await #expect(throws: EtcdError.self) {
                try await registration.drain(propagation: .zero, timeout: .milliseconds(500)) {
                    do { try await Task.sleep(for: .seconds(60)) } catch {
                        wasCancelled.withLock { $0 = true }
                        throw error
                    }
                }
            }
            #expect(error?.code == .deadlineExceeded && error?.message.contains("requests in flight") == true)
            #expect(wasCancelled.withLock { $0 })
            #expect(try await registry.discover("api").instances.isEmpty)
        }
    }

    @Test("a cancelled drain deregisters nevertheless, and does not wait")
    func cancelled() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            let task = Task { try await registration.drain(propagation: .seconds(60), timeout: .seconds(100)) }
            try await eventually("it drains") { registration.instance.status == .draining }
            let start = ContinuousClock.now
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(.now - start < .seconds(10))
            #expect(try await registry.discover("api").instances.isEmpty)
        }
    }

    @Test("without a connection to etcd, a drain ends in bounded time")
    func unreachable() async throws {
        try await withLiveClient { direct, name in
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let registry = try ServiceRegistry(client, prefix: "\(name)")
                let registration = try await registry.register(instance, timeToLive: .seconds(2))
                await proxy.stall(.both)
                let start = ContinuousClock.now
                try await registration.drain(propagation: .seconds(1))
                #expect(.now - start < .seconds(10))
                let other = try ServiceRegistry(direct, prefix: "\(name)")
                try await eventually("the entry ends with its lease") {
                    try await other.discover("api").instances.isEmpty
                }
                await client.close()
            }
        }
    }
}
