// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The effects of the faults on a client of a real etcd.
///
/// The control of each is the same client without the fault, and what a direct client sees.
@Suite("FaultProxy: before etcd", .cluster, .timeLimit(.minutes(1)))
struct FaultProxyEtcdTests {
    @Test("a client reconnects after a cut and a reset", arguments: [false, true])
    func cut(withReset: Bool) async throws {
        try await withProxiedClient { client, proxy, _, key in
            try await client.put(key, "before")
            if withReset { await proxy.reset() } else { await proxy.cut() }
            #expect(try await client.get(key)?.value == "before")
            try await client.put(key, "after")
            #expect(try await client.get(key)?.value == "after")
            #expect(await proxy.counters.acceptedConnections == 2)
        }
    }

    @Test("a cut in the middle of an answer lets a read try again; one in a request leaves a write undone")
    func cutInFrame() async throws {
        try await withProxiedClient { client, proxy, direct, key in
            let value = Value(bytes: [UInt8](repeating: 7, count: 100_000))
            try await client.put(key, value)
            await proxy.cut(afterBytes: 50_000, .toClient)
            #expect(try await client.get(key)?.value == value)
            #expect(await proxy.counters.acceptedConnections == 2)

            await proxy.cut(afterBytes: 50_000, .toServer)
            await expectError(.ambiguous) { try await client.put(key + "2", value) }
            #expect(try await direct.get(key + "2") == nil)
            try await client.put(key + "2", value)
            #expect(try await direct.get(key + "2")?.value == value)
        }
    }

    @Test("a delay slows calls down, or lets them time out")
    func delay() async throws {
        try await withProxiedClient { client, proxy, _, key in
            try await client.put(key, "1")
            await proxy.delay(.milliseconds(100))
            let start = ContinuousClock.now
            try await client.put(key, "2")
            #expect(ContinuousClock.now - start >= .milliseconds(200))
            await proxy.delay(.seconds(3600), .toClient)
            await expectError(.ambiguous) { try await client.with(timeout: .milliseconds(300)).put(key, "3") }
            await proxy.delay(.zero)
            #expect(try await client.get(key)?.value == "3")
            #expect(await proxy.counters.acceptedConnections == 1)
        }
    }

    @Test("a stall lets calls run into their deadlines, and the connection goes on after it")
    func stall() async throws {
        try await withProxiedClient { client, proxy, _, key in
            try await client.put(key, "1")
            await proxy.stall()
            await expectError(.deadlineExceeded) { try await client.with(timeout: .milliseconds(300)).get(key) }
            await proxy.resume()
            #expect(try await client.get(key)?.value == "1")
            #expect(await proxy.counters.acceptedConnections == 1)
        }
    }

    @Test("on a half-open connection a write may happen or not, and is ambiguous", arguments: [false, true])
    func halfOpen(happens: Bool) async throws {
        try await withProxiedClient { client, proxy, direct, key in
            try await client.put(key, "1")
            await proxy.blackhole(happens ? .toClient : .toServer)
            await expectError(.ambiguous) { try await client.with(timeout: .milliseconds(300)).put(key, "2") }
            #expect(try await direct.get(key)?.value == (happens ? "2" : "1"))
            await proxy.resume()
            await expectError(.deadlineExceeded) { try await client.with(timeout: .milliseconds(300)).get(key) }
            await proxy.reset()
            // A read first: the client may put the write on the connection whose reset it has not seen yet.
            #expect(try await client.get(key) != nil)
            try await client.put(key, "3")
            #expect(try await direct.get(key)?.value == "3")
        }
    }

    @Test("a client detects a half-open connection by itself")
    func halfOpenDetected() async throws {
        try await withProxiedClient { client, proxy, _, key in
            var configuration = client.configuration
            configuration.pingInterval = .milliseconds(200)
            configuration.pingTimeout = .milliseconds(200)
            configuration.connectTimeout = .milliseconds(500)
            try await withEtcdClient(configuration) { client in
                try await client.put(key, "1")
                await proxy.blackhole()
                async let entry = client.get(key)
                try await eventually("it dials again") { await proxy.counters.acceptedConnections > 1 }
                await proxy.resume()
                #expect(try await entry?.value == "1")
            }
        }
    }

    @Test("calls find no server while connections are refused")
    func refusal() async throws {
        try await withProxiedClient { client, proxy, _, key in
            try await client.put(key, "1")
            await proxy.refuseConnections()
            #expect(try await client.get(key)?.value == "1")
            await proxy.cut()
            await expectError(.unavailable) { try await client.with(timeout: .milliseconds(300)).get(key) }
            try await proxy.acceptConnections()
            #expect(try await client.get(key)?.value == "1")
        }
    }

    @Test("etcd may be killed and restarted behind the proxy")
    func restart() async throws {
        try await withPrivateEtcd { _, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    try await client.put("key", "1")
                    await cluster.members[0].kill()
                    await expectError(.unavailable) { try await client.with(timeout: .milliseconds(300)).get("key") }
                    try await cluster.members[0].restart()
                    #expect(try await client.get("key")?.value == "1")
                }
            }
        }
    }
}

/// Lends a client behind a proxy, the proxy, a direct client, and a key of the test's own.
private func withProxiedClient(
    _ body: (_ client: EtcdClient, _ proxy: FaultProxy, _ direct: EtcdClient, _ key: Key) async throws -> Void
) async throws {
    try await withLiveClient { direct, prefix in
        let target = try #require(direct.configuration.endpoints.first)
        try await withFaultProxy(to: target.description) { proxy in
            try await withEtcdClient(endpoints: proxy.endpoint) { client in
                try await body(client, proxy, direct, prefix + "key")
            }
        }
    }
}
