// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("HTTP2Session: endings", .unit, .timeLimit(.minutes(1)))
struct HTTP2EndingTests {
    @Test(
        "a reset by the server ends the stream with its code, and a refusal says that nothing was done",
        arguments: [
            (.cancel, .closed(.cancel)), (.noError, .closed(.noError)),
            (.enhanceYourCalm, .closed(.enhanceYourCalm)), (.refusedStream, .notProcessed),
            (HTTP2ErrorCode(rawValue: 4711), .closed(HTTP2ErrorCode(rawValue: 4711))),
        ] as [(HTTP2ErrorCode, HTTP2Stream.Ending)]
    )
    func reset(code: HTTP2ErrorCode, ending: HTTP2Stream.Ending) throws {
        let pair = try HTTP2Pair()
        pair.script = { exchange, event in
            if event == .end { exchange.reset(code) }
        }
        let stream = try pair.open()
        try pair.run()
        #expect(stream.ending == ending)
        #expect(pair.client.takeTouchedStreams().map(\.id) == [stream.id])
        #expect(pair.client.streams.isEmpty)
    }

    @Test("a GOAWAY ends the streams after its last one as not processed; the earlier ones finish")
    func goAway() throws {
        let pair = try HTTP2Pair()
        let streams = try (0..<3).map { _ in try pair.open() }
        try pair.run()
        pair.server.goAway(lastStreamID: streams[0].id, .enhanceYourCalm, "too_many_pings")
        try pair.run()
        #expect(pair.client.goAway?.code == .enhanceYourCalm)
        #expect(pair.client.goAway?.debugData == "too_many_pings")
        #expect(streams.map(\.ending) == [nil, .notProcessed, .notProcessed])
        try #require(pair.server.exchanges[1]).send([(":status", "200")], isLast: true)
        try pair.run()
        #expect(streams[0].headers[":status"] == "200")
        #expect(streams[0].ending == .closed(.noError))
    }

    @Test("a stream opened after a GOAWAY is not processed")
    func openedAfterGoAway() throws {
        let pair = try HTTP2Pair()
        let first = try pair.open()
        try pair.run()
        pair.server.goAway(lastStreamID: Int32.max)
        try pair.run()
        let second = try pair.open()
        try pair.run()
        #expect(first.ending == nil)
        #expect(second.ending == .notProcessed)
        #expect(pair.server.exchanges.count == 1)
    }

    @Test("when the connection is lost, a request that was not sent counts as not processed")
    func lostConnection() throws {
        let pair = try HTTP2Pair()
        let sent = try pair.open()
        try pair.run()
        let unsent = try pair.open()
        pair.client.endAllStreams("the test is over")
        #expect(sent.ending == .connectionLost("the test is over"))
        #expect(unsent.ending == .notProcessed)
        #expect(Set(pair.client.takeTouchedStreams().map(\.id)) == [sent.id, unsent.id])
        #expect(pair.client.streams.isEmpty)
    }

    @Test("our reset reaches the server, and nothing is recorded after it")
    func ownReset() throws {
        let pair = try HTTP2Pair()
        pair.script = { exchange, event in
            if event == .end { exchange.send([(":status", "200")], isLast: true) }
        }
        let stream = try pair.open(endStream: false)
        try pair.run()
        _ = pair.client.takeTouchedStreams()
        pair.client.reset(stream, .cancel)
        try pair.run()
        #expect(pair.server.exchanges[1]?.resetCode == .cancel)
        #expect(stream.ending == .closed(.cancel))
        #expect(!stream.hasHeaders)
        #expect(pair.client.takeTouchedStreams().isEmpty)
        #expect(pair.client.streams.isEmpty)
    }

    @Test("a stream that is reset before it was sent does not reach the server")
    func resetBeforeSending() throws {
        let pair = try HTTP2Pair()
        try pair.run()
        let stream = try pair.open(body: pattern(1000))
        pair.client.reset(stream, .cancel)
        let next = try pair.open()
        try pair.run()
        #expect(pair.server.exchanges.keys.sorted() == [next.id])
        #expect(!stream.wasSent)
        #expect(!pair.client.isFinished)
    }

    @Test("a server that breaks the protocol finishes the session")
    func brokenProtocol() throws {
        let pair = try HTTP2Pair()
        let stream = try pair.open()
        try pair.run()
        #expect(!pair.client.isFinished)
        // A DATA frame for stream 0.
        let bytes: [UInt8] = [0, 0, 1, 0, 0, 0, 0, 0, 0, 42]
        try bytes.withUnsafeBytes { try pair.client.receive($0) }
        var output: [UInt8] = []
        try pair.client.send(into: &output, limit: .max)
        #expect(pair.client.isFinished)
        #expect(stream.ending == nil)
        pair.client.endAllStreams("the test is over")
        #expect(stream.ending == .connectionLost("the test is over"))
    }

    @Test(
        "another protocol is known by its first bytes, and HTTP/2 is not taken for one",
        arguments: [
            ([0x15, 3, 1, 0, 2], "https://"), ([0x17, 3], "https://"), (Array("HTTP/1.1 400".utf8), "HTTP/1"),
            ([0x15], nil), ([0x15, 2], nil), ([0x41, 3], nil), ([0, 3], nil), ([0, 0, 6, 4, 0], nil), ([], nil),
        ] as [([UInt8], String?)]
    )
    func greeting(bytes: [UInt8], hint: String?) {
        let error = bytes.withUnsafeBytes { ConnectionError(unexpectedGreeting: $0) }
        #expect((error == nil) == (hint == nil))
        if let hint { #expect(error?.message.contains(hint) == true) }
    }
}
