// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdTesting

@Suite("FaultProxy: its life", .measurement, .timeLimit(.minutes(1)))
struct FaultProxyLifeTests {
    @Test("a proxy that is stopped or dropped is gone", arguments: [false, true])
    func end(dropped: Bool) async throws {
        let server = try await EchoServer()
        var proxy: FaultProxy? = try await FaultProxy.start(to: server.endpoint)
        let endpoint = try #require(proxy?.endpoint)
        let client = try await RawConnection.connect(to: endpoint)
        try await eventually("it is connected") { await server.connections.count == 1 }
        if dropped {
            proxy = nil
        } else {
            await proxy?.stop()
            await proxy?.stop()
            let error = await #expect(throws: EtcdTestingError.self) { try await proxy?.acceptConnections() }
            #expect(error?.code == .stopped)
        }
        try await eventually("the connection ends") { await client.ending == .orderly }
        let late = try await RawConnection.connect(to: endpoint)
        try await eventually("nobody listens") { await late.ending == .reset }
        await server.close()
    }

    @Test("a proxy ends with its scope, also when that throws", arguments: [false, true])
    func scope(throwing: Bool) async throws {
        struct Failure: Error {}
        var proxy: FaultProxy?
        let error = await #expect(throws: (any Error).self) {
            try await withFaultProxy(to: "127.0.0.1:1") {
                proxy = $0
                if throwing { throw Failure() }
            }
            try await proxy?.acceptConnections()
        }
        #expect(throwing ? error is Failure : error is EtcdTestingError)
        let late = try await RawConnection.connect(to: #require(proxy?.endpoint))
        try await eventually("nobody listens") { await late.ending == .reset }
    }

    @Test("an invalid target is refused")
    func wrongTarget() async throws {
        await expectError(.invalidEndpoint) { try await FaultProxy.start(to: "127.0.0.1:many") }
        let error = await #expect(throws: EtcdTestingError.self) { try await FaultProxy.start(to: "no.such.invalid:1") }
        #expect(error?.code == .system)
    }

    @Test("200 connections leave no socket open", .enabled(if: ProcessFigures.areAvailable))
    func sockets() async throws {
        let server = try await EchoServer()
        try await withFaultProxy(to: server.endpoint) { try await expectEcho(through: $0) }
        await server.closeConnections()
        let before = ProcessFigures.socketCount
        var proxies: [FaultProxy] = []
        for round in 0..<10 {
            try await withFaultProxy(to: server.endpoint) { proxy in
                proxies.append(proxy)
                var clients: [RawConnection] = []
                for _ in 0..<20 { clients.append(try await connect(proxy, server).client) }
                #expect(ProcessFigures.socketCount >= before + 80)
                for client in clients { await client.send([1]) }
                switch round % 5 {
                case 0: await proxy.cut()
                case 1: await proxy.reset()
                case 2: for client in clients { await client.finish() }
                case 3: for client in clients { await client.reset() }
                default: await proxy.stall()
                }
                if round % 5 < 4 {
                    try await eventually("they are gone") { await proxy.counters.openConnections == 0 }
                }
                for client in clients { await client.close() }
            }
            await server.closeConnections()
        }
        #expect(ProcessFigures.socketCount == before)
    }

    @Test("a client is looked up only once the server has taken its connection")
    func lookups() async throws {
        let server = try await EchoServer()
        let endpoint = try Endpoint(server.endpoint)
        let relay = try await FaultProxyRelay.start(to: endpoint)
        let lookups = Lock(0)
        await count(lookups, relay)
        await server.close()
        for _ in 0..<10 {
            let client = try await RawConnection.connect(to: relay.endpoint)
            try await eventually("it is refused") { await client.ending == .reset }
        }
        #expect(lookups.withLock { $0 } == 0)
        // The control.
        let next = try await EchoServer(port: endpoint.port)
        let client = try await RawConnection.connect(to: relay.endpoint)
        await client.send([1])
        try await eventually("the echo arrives") { await client.received == [1] }
        #expect(lookups.withLock { $0 } == 1)
        await relay.stop()
        await next.close()
    }

    @EventLoop
    private func count(_ lookups: Lock<Int>, _ relay: FaultProxyRelay) {
        let lanes = FaultProxyLanes()
        relay.chooseLanes = { _, take in
            lookups.withLock { $0 += 1 }
            take(lanes)
        }
    }

    @Test("ended connections and proxies do not keep the processor busy")
    func idle() async throws {
        try await withProxiedEcho { proxy, server in
            for _ in 0..<10 {
                let (client, peer) = try await connect(proxy, server)
                await proxy.stall()
                await client.reset()
                await peer.reset()
            }
            // The second proxy is dropped at once.
            let (client, _) = try await connect(FaultProxy.start(to: server.endpoint), server)
            try await eventually("it ends") { await client.ending != nil }
            let before = clock()
            try await Task.sleep(for: .milliseconds(500))
            #expect(Double(clock() - before) / Double(CLOCKS_PER_SEC) < 0.02)
        }
    }
}
