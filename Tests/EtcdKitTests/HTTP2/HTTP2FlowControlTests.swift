// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("HTTP2Session: flow control", .unit, .timeLimit(.minutes(1)))
struct HTTP2FlowControlTests {
    @Test("a request larger than the server's window arrives as the server opens it")
    func largeRequest() throws {
        let pair = try HTTP2Pair()
        let body = pattern(3 << 20)
        _ = try pair.open(body: body)
        try pair.run()
        let exchange = try #require(pair.server.exchanges[1])
        #expect(exchange.isComplete)
        #expect(firstDifference(exchange.body, body) == nil)
    }

    @Test("a request stops at the window of a server that does not open it")
    func closedWindow() throws {
        var settings = HTTP2ServerSession.Settings()
        settings.opensWindows = false
        settings.streamWindow = 40_000
        let pair = try HTTP2Pair(server: settings)
        try pair.run()
        _ = try pair.open(body: pattern(100_000))
        try pair.run()
        let exchange = try #require(pair.server.exchanges[1])
        #expect(exchange.body.count == 40_000)
        #expect(!exchange.isComplete)
    }

    @Test("a large answer flows by itself with an automatic window, also when it is padded", arguments: [0, 200])
    func largeAnswer(padding: Int) throws {
        var clientSettings = HTTP2Session.Settings()
        clientSettings.streamWindow = 64 << 10
        clientSettings.connectionWindow = 128 << 10
        var serverSettings = HTTP2ServerSession.Settings()
        serverSettings.padding = padding
        let pair = try HTTP2Pair(clientSettings, server: serverSettings)
        let body = pattern(3 << 20)
        pair.script = { exchange, event in
            guard event == .end else { return }
            exchange.send([(":status", "200")])
            exchange.send(body)
            exchange.end()
        }
        let stream = try pair.open()
        try pair.run()
        #expect(firstDifference(stream.takeReceived(), body) == nil)
        #expect(stream.ending == .closed(.noError))
    }

    /// Answers each request with data without an end, as much as the window takes.
    private func flood(_ count: Int) throws -> HTTP2Pair {
        var settings = HTTP2Session.Settings()
        settings.streamWindow = 100_000
        settings.connectionWindow = 150_000
        let pair = try HTTP2Pair(settings)
        pair.script = { exchange, event in
            guard event == .end else { return }
            exchange.send([(":status", "200")])
            exchange.send(pattern(count))
            exchange.end()
        }
        return pair
    }

    @Test("with a manual window the server stops until the consumer has taken the data")
    func manualWindow() throws {
        let pair = try flood(250_000)
        let stream = try pair.open(window: .manual)
        try pair.run()
        #expect(stream.receivedCount == 100_000)
        var received = stream.takeReceived()
        // Only a call of `consume` opens the window.
        try pair.run()
        #expect(stream.receivedCount == 0)
        pair.client.consume(100_000, on: stream)
        try pair.run()
        #expect(stream.receivedCount == 100_000)
        received += stream.takeReceived()
        pair.client.consume(60_000, on: stream)
        try pair.run()
        #expect(stream.receivedCount == 50_000)
        received += stream.takeReceived()
        #expect(stream.isRemoteClosed)
        #expect(firstDifference(received, pattern(250_000)) == nil)
    }

    @Test("a manual window can be enlarged, and reduced for the data after the excess was consumed")
    func windowSize() throws {
        let pair = try flood(500_000)
        let large = try pair.open(window: .manual)
        let small = try pair.open(window: .manual)
        try pair.run()
        pair.client.setWindow(of: large, to: 140_000)
        pair.client.setWindow(of: small, to: 30_000)
        try pair.run()
        #expect(large.receivedCount == 140_000)
        #expect(small.receivedCount == 100_000)
        // The excess over the new window is not made good.
        pair.client.consume(70_000, on: small)
        try pair.run()
        #expect(small.receivedCount == 100_000)
        pair.client.consume(30_000, on: small)
        try pair.run()
        #expect(small.receivedCount == 130_000)
        pair.client.consume(140_000, on: large)
        try pair.run()
        #expect(large.receivedCount == 280_000)
    }

    @Test("streams that nobody consumes leave the connection open for the others")
    func connectionWindow() throws {
        let pair = try flood(1 << 20)
        // Together far more than the connection's window.
        let stopped = try (0..<5).map { _ in try pair.open(window: .manual) }
        try pair.run()
        #expect(stopped.allSatisfy { $0.receivedCount == 100_000 })
        let flowing = try pair.open()
        try pair.run()
        #expect(flowing.receivedCount == 1 << 20)
        #expect(flowing.isRemoteClosed)
        #expect(stopped.allSatisfy { $0.receivedCount == 100_000 && $0.ending == nil })
    }

    @Test("data for streams that were reset do not use up the connection's window")
    func dataAfterReset() throws {
        let pair = try flood(100_000)
        for _ in 0..<20 {
            let stream = try pair.open(window: .manual)
            // The server has its answer on the way when the reset is made.
            try pair.runClient()
            pair.client.reset(stream, .cancel)
            try pair.runServer()
            try pair.run()
        }
        #expect(pair.server.remainingWindow > 75_000)
        let stream = try pair.open()
        try pair.run()
        #expect(stream.receivedCount == 100_000)
    }
}
