// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("HTTP2Session: exchanges", .unit, .timeLimit(.minutes(1)))
struct HTTP2SessionTests {
    @Test("a request reaches the server with all its fields and its body", arguments: [Int.max, 1000, 1])
    func request(chunkSize: Int) throws {
        let pair = try HTTP2Pair()
        pair.chunkSize = chunkSize
        var headers = HTTP2RequestHeaders()
        let fields: [(StaticString, String)] = [
            (":method", "POST"), (":scheme", "http"), (":path", "/a/b"), (":authority", "[::1]:2379"),
            ("content-type", "application/grpc"), ("empty", ""), ("text", "grün"),
        ]
        for (name, value) in fields { headers.append(name, value) }
        let body = pattern(20_000)
        _ = try pair.client.open(headers, body: body, endStream: true, window: .automatic)
        try pair.run()
        let exchange = try #require(pair.server.exchanges[1])
        #expect(exchange.headers.fields.count == fields.count)
        for (name, value) in fields { #expect(exchange.headers["\(name)"] == value) }
        #expect(firstDifference(exchange.body, body) == nil)
        #expect(exchange.isComplete)
    }

    @Test("an answer arrives with headers, data and trailers kept apart", arguments: [Int.max, 1000, 1])
    func answer(chunkSize: Int) throws {
        let pair = try HTTP2Pair()
        pair.chunkSize = chunkSize
        let body = pattern(20_000)
        pair.script = { exchange, event in
            guard event == .end else { return }
            exchange.send([(":status", "200"), ("kind", "header")])
            exchange.send(body)
            exchange.end(trailers: [("kind", "trailer"), ("more", "yes")])
        }
        let stream = try pair.open()
        try pair.run()
        #expect(pair.client.takeTouchedStreams().map(\.id) == [1])
        #expect(stream.headers[":status"] == "200")
        #expect(stream.headers["kind"] == "header")
        #expect(stream.trailers.fields.map(\.name) == ["kind", "more"])
        #expect(stream.trailers["kind"] == "trailer")
        #expect(firstDifference(stream.takeReceived(), body) == nil)
        #expect(stream.takeReceived() == [])
        #expect(stream.isRemoteClosed)
        #expect(stream.ending == .closed(.noError))
        #expect(pair.client.streams.isEmpty)
        #expect(pair.client.takeTouchedStreams().isEmpty)
    }

    @Test("a body without an end stays open for more, and arrives in order")
    func moreData() throws {
        let pair = try HTTP2Pair()
        let stream = try pair.open(body: [0], endStream: false)
        try pair.run()
        let exchange = try #require(pair.server.exchanges[1])
        #expect(exchange.body == [0])
        for number in UInt8(1)..<100 {
            pair.client.send([number], endStream: number == 99, on: stream)
            if number % 7 == 0 { try pair.run() }
        }
        try pair.run()
        #expect(exchange.body == Array(0..<100))
        #expect(exchange.isComplete)
        #expect(stream.ending == nil)
    }

    @Test("a request can be ended without more data")
    func emptyEnd() throws {
        let pair = try HTTP2Pair()
        let stream = try pair.open(endStream: false)
        try pair.run()
        let exchange = try #require(pair.server.exchanges[1])
        #expect(!exchange.isComplete)
        pair.client.send([], endStream: true, on: stream)
        try pair.run()
        #expect(exchange.isComplete)
    }

    @Test("interim responses are passed over")
    func interim() throws {
        let pair = try HTTP2Pair()
        pair.script = { exchange, event in
            guard event == .end else { return }
            exchange.sendInterim([(":status", "100")])
            exchange.sendInterim([(":status", "103"), ("link", "x")])
            exchange.send([(":status", "200"), ("kind", "final")])
            exchange.end(trailers: [("kind", "trailer")])
        }
        let stream = try pair.open()
        try pair.run()
        #expect(stream.headers.fields.map(\.value) == ["200", "final"])
        #expect(stream.trailers["kind"] == "trailer")
        #expect(stream.ending == .closed(.noError))
    }

    @Test("the settings of the server are noticed, and a ping reaches it")
    func ping() throws {
        let pair = try HTTP2Pair()
        try pair.run()
        #expect(pair.client.hasPeerSettings)
        pair.client.ping()
        try pair.run()
        #expect(pair.server.pingCount == 1)
    }

    @Test("streams over the server's limit wait for their turn")
    func concurrencyLimit() throws {
        var settings = HTTP2ServerSession.Settings()
        settings.maxConcurrentStreams = 2
        let pair = try HTTP2Pair(server: settings)
        try pair.run()
        let streams = try (0..<4).map { try pair.open("/\($0)") }
        try pair.run()
        #expect(pair.server.exchanges.count == 2)
        #expect(streams.map(\.wasSent) == [true, true, false, false])
        // One that is given up while it waits is never sent.
        pair.client.reset(streams[2], .cancel)
        try #require(pair.server.exchanges[1]).send([(":status", "200")], isLast: true)
        try pair.run()
        #expect(
            pair.server.exchanges.values.map { $0.headers[":path"] }.sorted { $0 ?? "" < $1 ?? "" } == [
                "/0", "/1", "/3",
            ]
        )
        #expect(streams.map(\.wasSent) == [true, true, false, true])
    }
}
