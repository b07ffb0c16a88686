// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("HTTP2Connection", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct HTTP2ConnectionTests {
    /// Notes how its stream ends.
    @EventLoop
    final class Handler: HTTP2StreamHandler {
        private(set) var progressCount = 0
        private(set) var ending: HTTP2Stream.Ending?

        func streamDidProgress(_ stream: HTTP2Stream) {
            progressCount += 1
            ending = stream.ending
        }
    }

    private func open(on connection: HTTP2Connection) throws -> (stream: HTTP2Stream, handler: Handler) {
        let handler = Handler()
        let headers = GRPCMetadata(authority: "peer:1").headers(path: "/service/method")
        return (try connection.open(headers, body: [], endStream: true, handler: handler), handler)
    }

    // MARK: GOAWAY

    @Test("after a GOAWAY new streams are refused, open ones finish, and then the connection closes")
    func goAway() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let (_, handler) = try open(on: connection)
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        server.connections[0].session?.goAway(lastStreamID: 1)
        try await eventually("the connection drains") { !connection.isOpen }
        #expect(connection.closingError == nil)
        let error = #expect(throws: ConnectionError.self) { try open(on: connection) }
        #expect(error?.kind == .draining)
        #expect(handler.ending == nil)

        server.exchanges[0].send([(":status", "200")], isLast: true)
        try await eventually("the stream has ended") { handler.ending == .closed(.noError) }
        try await eventually("the connection is closed") { connection.closingError != nil }
        try await eventually("the server sees the end") { !server.connections[0].isOpen }
        #expect(connection.closingError?.kind == .closedByUs)
    }

    @Test("a GOAWAY that finds no stream, or none that was sent, closes the connection as drained")
    func goAwayWithoutStreams() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let idle = try await server.connect()
        server.connections[0].session?.goAway(lastStreamID: 0)
        try await eventually("the connection is closed") { idle.closingError != nil }
        #expect(idle.closingError?.kind == .closedByUs)

        // The GOAWAY is in the socket before the stream is opened, so it is read before the stream is sent.
        let connection = try await server.connect()
        var states: [HTTP2Connection.State] = []
        connection.onStateChange = { states.append($0.state) }
        server.connections[1].session?.goAway(lastStreamID: 0)
        var handler: Handler?
        EventLoop.atEndOfTurn {
            EventLoop.atEndOfTurn { handler = try? open(on: connection).handler }
        }
        try await eventually("the connection is closed") { connection.closingError != nil }
        #expect(handler?.ending == .notProcessed)
        #expect(connection.closingError?.kind == .closedByUs)
        #expect(states.count == 2)
        guard case .draining = states.first, case .closed(let error) = states.last else {
            Issue.record("\(states)")
            return
        }
        #expect(error.kind == .closedByUs)
    }

    @Test("a GOAWAY with an error and its text ends the connection with them")
    func goAwayWithError() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        server.connections[0].session?.goAway(lastStreamID: 0, .enhanceYourCalm, "too_many_pings")
        try await eventually("the connection is closed") { connection.closingError != nil }
        #expect(connection.closingError?.kind == .lost)
        #expect(connection.closingError?.message.contains("ENHANCE_YOUR_CALM") == true)
        #expect(connection.closingError?.message.contains("too_many_pings") == true)
    }

    @Test("the reason of a GOAWAY is told to the streams that are lost after it")
    func hangUpAfterGoAway() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let handler = try open(on: connection).handler
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        server.connections[0].session?.goAway(lastStreamID: 1, .enhanceYourCalm, "too_many_pings")
        try await eventually("the connection drains") { !connection.isOpen }
        server.connections[0].close()
        try await eventually("the stream has ended") { handler.ending != nil }
        let reason = "the server closed the connection: ENHANCE_YOUR_CALM (too_many_pings)"
        #expect(handler.ending == .connectionLost(reason))
    }

    // MARK: Closing

    @Test("closing says goodbye once, ends the streams, and has one reason", arguments: [0, 2])
    func close(streamCount: Int) async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let handlers = try (0..<streamCount).map { _ in try open(on: connection).handler }
        try await eventually("the requests are there") { server.exchanges.count == streamCount }
        var reasons: [ConnectionError.Kind] = []
        connection.onStateChange = { if let error = $0.closingError { reasons.append(error.kind) } }
        connection.close(ConnectionError(.closedByUs, "the test is over"))
        connection.close(ConnectionError(.lost, "too late"))
        #expect(reasons == [.closedByUs])
        #expect(connection.closingError?.message == "the test is over")
        #expect(connection.openStreamCount == 0)
        #expect(handlers.allSatisfy { $0.ending == .connectionLost("the test is over") && $0.progressCount == 1 })
        try await eventually("the server sees the end") { !server.connections[0].isOpen }
        #expect(server.connections[0].session?.goAwayCode == .noError)
    }

    @Test("the connection is lost when the server hangs up, and takes no more requests", arguments: [false, true])
    func hangUp(hard: Bool) async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let sent = try open(on: connection).handler
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        server.connections[0].close(hard: hard)
        try await eventually("the connection is closed") { connection.closingError != nil }
        #expect(connection.closingError?.kind == .lost)
        #expect(sent.ending == connection.closingError.map { .connectionLost($0.message) })
        #expect(throws: ConnectionError.self) { try open(on: connection) }
    }

    @Test("a stream opened in the turn in which the connection is lost was not sent")
    func lostBeforeSending() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let handler = try open(on: connection).handler
        connection.close(ConnectionError(.lost, "the test cuts it"))
        #expect(handler.ending == .notProcessed)
    }

    @Test("a server that breaks the protocol is told, and the connection closed")
    func brokenProtocol() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let handler = try open(on: connection).handler
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        server.connections[0].send(raw: [0, 0, 1, 0, 0, 0, 0, 0, 0, 42])
        try await eventually("the connection is closed") { connection.closingError != nil }
        #expect(connection.closingError?.kind == .protocolViolation)
        #expect(handler.ending == connection.closingError.map { .connectionLost($0.message) })
        try await eventually("the server is told") { server.connections[0].session?.goAwayCode?.rawValue == 1 }
    }

    // MARK: Keepalive

    private var impatient: HTTP2Connection.Options {
        HTTP2Connection.Options(pingInterval: .milliseconds(50), pingTimeout: .milliseconds(100))
    }

    @Test("a silent server is pinged at the interval, but not on a connection without streams (etcd#8905)")
    func pings() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        var options = impatient
        // An answered ping must not put the next one off until then.
        options.pingTimeout = .seconds(60)
        let idle = try await server.connect(options)
        idle.reset(try open(on: idle).stream)
        let busy = try await server.connect(options)
        let (stream, handler) = try open(on: busy)
        try await eventually("three pings have come") { server.connections[1].session?.pingCount ?? 0 >= 3 }
        #expect(server.connections[0].session?.pingCount == 0)
        #expect(idle.isOpen && busy.isOpen)
        #expect(handler.ending == nil)
        busy.reset(stream)
    }

    @Test("a server that does not answer a ping is given up, with the reason")
    func lostPeer() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let start = ContinuousClock.now
        let connection = try await server.connect(impatient)
        let handler = try open(on: connection).handler
        try await eventually("the request is there") { !server.exchanges.isEmpty }
        server.connections[0].goSilent()
        try await eventually("the connection is closed") { connection.closingError != nil }
        #expect(ContinuousClock.now - start >= .milliseconds(150))
        #expect(connection.closingError?.kind == .silent)
        #expect(connection.closingError?.message.contains("ping") == true)
        #expect(handler.ending == connection.closingError.map { .connectionLost($0.message) })
    }
}
