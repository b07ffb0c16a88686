// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdTesting

@Suite("FaultProxy", .unit, .timeLimit(.minutes(1)))
struct FaultProxyTests {
    // MARK: Passing on

    @Test("bytes arrive whole and in order, late ones too", arguments: [0, 20])
    func transparency(milliseconds: Int) async throws {
        try await withProxiedEcho { proxy, _ in
            await proxy.delay(.milliseconds(milliseconds))
            var generator = SplitMix64(seed: 1)
            let bytes = (0..<625_000).map { _ in generator.next() }.withUnsafeBytes { Array($0) }
            let client = try await RawConnection.connect(to: proxy.endpoint)
            await client.send(bytes)
            await client.finish()
            try await eventually("the end is back") { await client.ending != nil }
            #expect(await client.ending == .orderly)
            #expect(await client.received == bytes)
            try await eventually("the connection is gone") { await proxy.counters.openConnections == 0 }
            let counters = await proxy.counters
            #expect(counters.acceptedConnections == 1)
            #expect(counters.bytesToServer == bytes.count)
            #expect(counters.bytesToClient == bytes.count)
        }
    }

    @Test("one side can end before the other")
    func halfClose() async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            await client.send([1])
            await client.finish()
            try await eventually("the server sees the end") { await peer.ending == .orderly }
            await peer.send([2, 3])
            try await eventually("the answer arrives") { await client.received == [2, 3] }
            #expect(await client.ending == nil)
            await peer.finish()
            try await eventually("the client sees the end") { await client.ending == .orderly }
        }
    }

    @Test("a reset is passed on", arguments: [FaultProxy.Direction.toServer, .toClient], [false, true])
    func passedReset(direction: FaultProxy.Direction, toSender: Bool) async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            let (source, destination) = direction == .toServer ? (client, peer) : (peer, client)
            if toSender {
                await destination.send([UInt8](repeating: 1, count: 32_000_000))
                try await eventually("it is sending") { await source.received.count > 0 }
            }
            await source.reset()
            try await eventually("it arrives") { await destination.ending == .reset }
            #expect(await proxy.counters.openConnections == 0)
        }
    }

    @Test("a reset after an end is passed on", arguments: [false, true])
    func resetAfterEnd(byClient: Bool) async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            let (source, destination) = byClient ? (client, peer) : (peer, client)
            await source.finish()
            try await eventually("the end arrives") { await destination.ending == .orderly }
            await source.reset()
            await destination.send([1])
            try await eventually("the connection is gone") { await proxy.counters.openConnections == 0 }
        }
    }

    @Test("a sender waits for a slow receiver")
    func backPressure() async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            await peer.setReading(false)
            let count = 64_000_000
            await client.send([UInt8](repeating: 1, count: count))
            try await settled { await client.unsentCount }
            // The bytes that were sent are in the proxy and in the buffers of four sockets.
            #expect(await client.unsentCount > count / 3)
            await peer.setReading(true)
            try await eventually("all arrives") { await peer.received.count == count }
        }
    }

    @Test("a client of a server that is not there is reset, until the server is there")
    func absentServer() async throws {
        let ports = try LoopbackPorts(count: 1)
        try await withFaultProxy(to: "127.0.0.1:\(ports.numbers[0])") { proxy in
            let early = try await RawConnection.connect(to: proxy.endpoint)
            try await eventually("it is reset") { await early.ending == .reset }
            let server = try await EchoServer(port: ports.numbers[0])
            try await expectEcho(through: proxy)
            await server.close()
        }
    }

    // MARK: Late bytes

    @Test("a delay holds the bytes of its direction for its duration only")
    func delay() async throws {
        try await withProxiedEcho { proxy, server in
            let (client, peer) = try await connect(proxy, server)
            await proxy.delay(.seconds(3600), .toClient)
            await client.send([1])
            try await eventually("the other direction is quick") { await peer.received == [1] }
            #expect(await client.received == [])
            let start = ContinuousClock.now
            await proxy.delay(.milliseconds(200), .toClient)
            await client.send([2])
            try await eventually("held bytes follow a new delay") { await client.received == [1, 2] }
            #expect(ContinuousClock.now - start >= .milliseconds(200))
            await proxy.delay(.seconds(3600), .toClient)
            await peer.finish()
            await client.send([3])
            try await eventually("the other direction is quick") { await peer.received == [1, 2, 3] }
            #expect(await client.ending == nil)
            await proxy.delay(.zero)
            try await eventually("a held end does, too") { await client.ending == .orderly }
        }
    }

    @Test("a limit holds bytes back, until it is lifted")
    func limit() async throws {
        try await withProxiedEcho { proxy, _ in
            let client = try await RawConnection.connect(to: proxy.endpoint)
            await proxy.limit(bytesPerSecond: 1000, .toServer)
            let start = ContinuousClock.now
            await client.send([UInt8](repeating: 1, count: 60_000))
            try await eventually("some arrive") { await client.received.count >= 200 }
            let count = await client.received.count
            // A hundredth of a second's worth passes at once.
            #expect(Double(count) <= 1000 * ((ContinuousClock.now - start) / .seconds(1)) + 10)
            await proxy.limit(bytesPerSecond: nil)
            try await eventually("the rest arrives") { await client.received.count == 60_000 }
        }
    }

    @Test("a stall holds everything in its direction, the end too, and lets the sender wait")
    func stall() async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            await proxy.stall(.toServer)
            let count = 32_000_000
            await client.send([UInt8](repeating: 1, count: count))
            await client.finish()
            try await settled { await client.unsentCount }
            #expect(await client.unsentCount > count / 3)
            await peer.send([2])
            try await eventually("the other direction goes on") { await client.received == [2] }
            #expect(await peer.received.count == 0)
            await proxy.resume()
            try await eventually("all arrives") { await peer.received.count == count }
            try await eventually("the end too") { await peer.ending == .orderly }
        }
    }

    @Test("a stall also holds the bytes that are in the proxy")
    func stallOfHeldBytes() async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            await proxy.delay(.seconds(3600), .toServer)
            await client.send([1])
            await peer.send([2])
            try await eventually("the other direction goes on") { await client.received == [2] }
            await proxy.stall(.toServer)
            await proxy.delay(.zero)
            await peer.send([3])
            try await eventually("the other direction goes on") { await client.received == [2, 3] }
            #expect(await peer.received == [])
            await proxy.resume()
            try await eventually("it arrives") { await peer.received == [1] }
        }
    }

    @Test("connections made in a stall, and ended in one, pass after it")
    func newInStall() async throws {
        try await withProxiedEcho { proxy, server in
            await proxy.stall()
            let client = try await RawConnection.connect(to: proxy.endpoint)
            await client.send([1])
            try await eventually("it is accepted") { await server.connections.count == 1 }
            await client.reset()
            await proxy.resume()
            let peer = try #require(await server.connections.first)
            try await eventually("the reset arrives") { await peer.ending == .reset }
            try await expectEcho(through: proxy)
        }
    }

    // MARK: Lost bytes

    @Test("a blackhole loses all bytes in its direction, and a connection that lost bytes never recovers")
    func blackhole() async throws {
        try await withProxiedEcho { proxy, server in
            let (client, peer) = try await connect(proxy, server)
            let (idle, _) = try await connect(proxy, server)
            await proxy.blackhole(.toClient)
            await client.send([1])
            try await eventually("the other direction goes on") { await peer.received == [1] }
            let (late, _) = try await connect(proxy, server)
            // More than all buffers hold: the sender does not notice.
            await late.send([UInt8](repeating: 1, count: 32_000_000))
            try await eventually("all is sent") { await late.unsentCount == 0 }

            await proxy.resume()
            await client.send([2])
            try await eventually("the other direction goes on") { await peer.received == [1, 2] }
            await idle.send([3])
            try await eventually("a connection that has lost nothing is whole") { await idle.received == [3] }
            try await expectEcho(through: proxy)
            await peer.finish()
            await peer.close()
            try await expectEcho(through: proxy)
            #expect(await client.received == [])
            #expect(await client.ending == nil)
            #expect(await late.received == [])
        }
    }

    // MARK: Broken connections

    @Test("a cut ends connections in order, a reset breaks them", arguments: [false, true])
    func cut(withReset: Bool) async throws {
        try await withProxiedEcho { proxy, server in
            let (client, peer) = try await connect(proxy, server)
            // Unread bytes must not turn a cut into a reset.
            await proxy.stall(.toServer)
            await client.send([1])
            if withReset { await proxy.reset() } else { await proxy.cut() }
            for side in [client, peer] {
                try await eventually("it has ended") { await side.ending != nil }
                #expect(await side.ending == (withReset ? .reset : .orderly))
                #expect(await side.received == [])
            }
            #expect(await proxy.counters.openConnections == 0)
            await proxy.resume()
            try await expectEcho(through: proxy)
        }
    }

    @Test("a cut after a number of bytes comes right after them, once", arguments: [0, 1, 100_000])
    func cutAfterBytes(count: Int) async throws {
        try await withProxiedEcho { proxy, server in
            let (client, peer) = try await connect(proxy, server)
            await proxy.cut(afterBytes: count, .toServer)
            await client.send([UInt8](repeating: 1, count: 200_000))
            try await eventually("it is cut") { await peer.ending == .orderly }
            #expect(await peer.received.count == count)
            #expect(await proxy.counters.bytesToServer == count)
            try await expectEcho(through: proxy)

            await proxy.cut(afterBytes: count, .toClient)
            let second = try await RawConnection.connect(to: proxy.endpoint)
            await second.send([UInt8](repeating: 1, count: 200_000))
            try await eventually("it is cut") { await second.ending != nil }
            #expect(await second.received.count == count)
            await proxy.cut(afterBytes: 0, .both)
            await proxy.cut(afterBytes: nil, .both)
            try await expectEcho(through: proxy)
        }
    }

    @Test("bytes that passed before a cut arrive, however slow the receiver is")
    func cutBeforeSlowReceiver() async throws {
        try await withProxiedEcho { proxy, server in
            await server.setEchoing(false)
            let (client, peer) = try await connect(proxy, server)
            await client.setReading(false)
            // Closing a socket with unread bytes would be a reset, and lose the bytes to be sent.
            await proxy.stall(.toServer)
            await client.send([1])
            await proxy.cut(afterBytes: 200_000, .toClient)
            await peer.send([UInt8](repeating: 2, count: 300_000))
            try await eventually("it is cut") { await proxy.counters.openConnections == 0 }
            await client.setReading(true)
            try await eventually("the client sees the end") { await client.ending == .orderly }
            #expect(await client.received.count == 200_000)
        }
    }

    // MARK: New connections

    @Test("connections are refused and accepted again, and open ones go on")
    func refusal() async throws {
        try await withProxiedEcho { proxy, server in
            let (open, _) = try await connect(proxy, server)
            await proxy.refuseConnections()
            let refused = try await RawConnection.connect(to: proxy.endpoint)
            try await eventually("it is refused") { await refused.ending == .reset }
            await open.send([1])
            try await eventually("the open one goes on") { await open.received == [1] }
            #expect(await proxy.counters.acceptedConnections == 1)
            try await proxy.acceptConnections()
            try await proxy.acceptConnections()
            try await expectEcho(through: proxy)
        }
    }
}

/// Waits until `value` no longer changes.
private func settled(_ value: () async -> Int) async throws {
    var last = (value: await value(), since: ContinuousClock.now)
    try await eventually("it settles") {
        let now = await value()
        if now != last.value { last = (now, .now) }
        return ContinuousClock.now - last.since > .milliseconds(300)
    }
}
