// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("KeyMirror: opened while etcd is away", .cluster, .serialized, .timeLimit(.minutes(1)))
struct MirrorOpeningTests {
    /// Lends a client that reaches etcd through a proxy, which refuses connections at first, and one that reaches it.
    private func withEtcdAway(
        _ body: @escaping @Sendable (EtcdClient, FaultProxy, EtcdClient) async throws -> Void
    ) async throws {
        try await withPrivateEtcd { writer, cluster in
            try await writer.put("k/1", "one")
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                await proxy.refuseConnections()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.callTimeout = .seconds(2)
                configuration.backoff.maximum = .milliseconds(100)
                try await withEtcdClient(configuration) { client in try await body(client, proxy, writer) }
            }
        }
    }

    private func options(initialWait: Duration?) -> MirrorOptions {
        var options = MirrorOptions()
        options.initialWait = initialWait
        options.checkInterval = .milliseconds(200)
        return options
    }

    @Test("a mirror starts without entries after the wait, is stale, and then gets the list", arguments: [0, 300])
    func absence(wait: Int) async throws {
        try await withEtcdAway { client, proxy, writer in
            let start = ContinuousClock.now
            let options = options(initialWait: .milliseconds(wait))
            let mirror = try await client.mirror(of: .prefix("k/"), options: options)
            #expect(start.duration(to: .now) >= .milliseconds(wait))
            #expect(mirror.view.isEmpty && mirror.view.revision == 0)
            #expect(mirror.isStale && mirror.currentAsOf == nil && mirror.staleness == nil && mirror.failure == nil)
            await #expect(throws: EtcdError.self) { try await mirror.consistentView() }
            #expect(mirror.failure == nil)

            // All consumers wait for the list.
            async let change = firstChange(of: mirror)
            async let view = firstView(of: mirror)
            async let own = mirror.waitUntil(revision: 0)
            try await Task.sleep(for: .milliseconds(100))
            try await proxy.acceptConnections()
            let first = try #require(try await change)
            #expect(first.isDifference && first.puts.map(\.entry.key) == ["k/1"] && first.revision > 0)
            #expect(try await view?.map(\.key) == ["k/1"])
            #expect(try await own.map(\.key) == ["k/1"])

            try await writer.put("k/2", "two")
            #expect(try await mirror.consistentView().count == 2)
            try await eventually("it is proved to be current") { !mirror.isStale }
            await mirror.close()
            #expect(mirror.isStale)
        }
    }

    private func firstChange(of mirror: KeyMirror) async throws -> MirrorChange? {
        for try await change in mirror.changes { return change }
        return nil
    }

    private func firstView(of mirror: KeyMirror) async throws -> MirrorView? {
        for try await view in mirror.views { return view }
        return nil
    }

    @Test("a scope starts likewise; the control: without a wait, opening throws")
    func scope() async throws {
        try await withEtcdAway { client, proxy, _ in
            let isOpen = Lock(false)
            await #expect(throws: EtcdError.self) {
                try await client.withMirror(of: .prefix("k/")) { _ in isOpen.withLock { $0 = true } }
            }
            await #expect(throws: EtcdError.self) { try await client.mirror(of: .prefix("k/")) }
            #expect(!isOpen.withLock { $0 })
            try await client.withMirror(of: .prefix("k/"), options: options(initialWait: .milliseconds(50))) { mirror in
                #expect(mirror.isStale && mirror.view.revision == 0)
                try await proxy.acceptConnections()
                #expect(try await mirror.waitUntil(revision: 1).count == 1)
            }
        }
    }

    @Test("a mirror opens as soon as the list is there, and stops waiting when its task is cancelled")
    func presence() async throws {
        try await withEtcdAway { client, proxy, _ in
            let cancelled = Task { [client] in
                try await client.mirror(of: .prefix("k/"), options: options(initialWait: .seconds(1000)))
            }
            try await Task.sleep(for: .milliseconds(50))
            cancelled.cancel()
            await expectError(.cancelled) { try await cancelled.value }

            async let opening = client.mirror(of: .prefix("k/"), options: options(initialWait: .seconds(1000)))
            try await proxy.acceptConnections()
            let mirror = try await opening
            #expect(mirror.view.count == 1 && !mirror.isStale)
            await mirror.close()
        }
    }

    @Test("an error that does not pass by itself is thrown at once")
    func permanentErrors() async throws {
        let options = options(initialWait: .seconds(1000))
        try await withAuthenticatingEtcd { _, cluster in
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                await expectError(.permissionDenied) { try await alice.mirror(of: .prefix("b/"), options: options) }
                await expectError(.permissionDenied) {
                    try await alice.withMirror(of: .prefix("b/"), options: options) { _ in }
                }
                await expectError(.invalidArgument) {
                    try await alice.mirror(of: .between("b", "a"), options: options)
                }
            }
        }
    }

    @Test("a mirror is stale once etcd was away for three checks, and not before, nor after it is back")
    func staleness() async throws {
        try await withEtcdAway { client, proxy, _ in
            try await proxy.acceptConnections()
            var options = MirrorOptions()
            options.checkInterval = .seconds(1)
            try await client.withMirror(of: .prefix("k/"), options: options) { mirror in
                try await eventually("a check") { try #require(mirror.staleness) < .milliseconds(500) }
                #expect(!mirror.isStale)
                await proxy.refuseConnections()
                await proxy.cut()
                // Each look is at one instant, so the two answers cannot contradict each other.
                try await eventually("it is stale") { mirror.isStale }
                #expect(try #require(mirror.staleness) > .seconds(3))
                try await proxy.acceptConnections()
                try await eventually("it is current") { !mirror.isStale }
                #expect(try #require(mirror.staleness) < .seconds(4))
            }
        }
    }
}
