// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// How a client treats a call that fails in transit: reads are repeated, writes only when they were not done.
@Suite("RetryPolicy", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct RepetitionTests {
    /// How the server treats a request that it does not answer.
    typealias Trouble = @EventLoop (HTTP2ServerExchange, FakeServer.Connection) -> Void

    /// The outcome of a call whose first request meets `trouble`, and how many requests it makes.
    private func outcome(isRead: Bool, _ trouble: @escaping Trouble) async throws -> (error: EtcdError?, requests: Int)
    {
        var isFirst = true
        let server = try FakeServer(
            .http2(.init()) { connection, exchange, event in
                guard event == .end else { return }
                if isFirst { trouble(exchange, connection) } else { exchange.answer() }
                isFirst = false
            }
        )
        defer { server.stop() }
        let client = try server.client()
        var failure: EtcdError?
        do throws(EtcdError) {
            if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
        } catch {
            failure = error
        }
        await client.close()
        return (failure, server.exchanges.count)
    }

    private func outcomes(
        _ trouble: @escaping Trouble
    ) async throws -> (read: EtcdError?, reads: Int, write: EtcdError?, writes: Int) {
        let read = try await outcome(isRead: true, trouble)
        let write = try await outcome(isRead: false, trouble)
        return (read.error, read.requests, write.error, write.requests)
    }

    @Test("after the loss of the connection a read is repeated, a write is ambiguous")
    func lostConnection() async throws {
        let outcomes = try await outcomes { _, connection in connection.close() }
        #expect(outcomes.read == nil)
        #expect(outcomes.reads == 2)
        #expect(outcomes.write?.code == .ambiguous)
        #expect(outcomes.writes == 1)
        #expect(outcomes.write?.description.contains("the server closed the connection") == true)
    }

    @Test("after a reset a read is repeated, a write is ambiguous")
    func reset() async throws {
        let outcomes = try await outcomes { exchange, _ in exchange.reset(HTTP2ErrorCode(rawValue: 2)) }
        #expect(outcomes.read == nil)
        #expect(outcomes.reads == 2)
        #expect(outcomes.write?.code == .ambiguous)
        #expect(outcomes.writes == 1)
    }

    @Test("a refused stream is repeated in any case, on the same connection")
    func refused() async throws {
        let outcomes = try await outcomes { exchange, _ in exchange.reset(.refusedStream) }
        #expect(outcomes.read == nil)
        #expect(outcomes.reads == 2)
        #expect(outcomes.write == nil)
        #expect(outcomes.writes == 2)
    }

    @Test("a stream after the last one of a GOAWAY is repeated in any case, on a new connection")
    func goAway() async throws {
        let outcomes = try await outcomes { _, connection in connection.session?.goAway(lastStreamID: 0) }
        #expect(outcomes.read == nil)
        #expect(outcomes.reads == 2)
        #expect(outcomes.write == nil)
        #expect(outcomes.writes == 2)
    }

    @Test("an answer is final: a refusal by etcd is not repeated")
    func answered() async throws {
        let outcomes = try await outcomes { exchange, _ in
            exchange.refuse(.notFound, "etcdserver: requested lease not found")
        }
        for error in [outcomes.read, outcomes.write] {
            #expect(error?.code == .leaseNotFound)
            #expect(error?.message.contains("127.0.0.1:") == true)
        }
        #expect(outcomes.reads == 1)
        #expect(outcomes.writes == 1)
    }

    @Test("a write that the server gave up is ambiguous", arguments: [GRPCStatus.Code.unavailable, .deadlineExceeded])
    func givenUp(code: GRPCStatus.Code) async throws {
        let outcomes = try await outcomes { exchange, _ in exchange.refuse(code, "no") }
        #expect(outcomes.write?.code == .ambiguous)
        #expect(outcomes.writes == 1)
    }

    @Test("after a GOAWAY the next call goes over a new connection, while the old one finishes its calls")
    func handover() async throws {
        let server = try FakeServer { exchange in
            if exchange.headers[":path"] == Wire.range.path { exchange.answer() }
        }
        defer { server.stop() }
        let client = try server.client()
        async let write = client.put("k", "v")
        try await eventually("the write is there") { !server.exchanges.isEmpty }
        server.connections[0].session?.goAway(lastStreamID: server.exchanges[0].id)
        try await eventually("a read goes over a new connection") {
            _ = try await client.get("k")
            return server.connections.count == 2
        }
        #expect(server.connections[0].isOpen)
        server.exchanges[0].answer()
        _ = try await write
        try await eventually("the old connection is closed") { !server.connections[0].isOpen }
        _ = try await client.get("k")
        #expect(server.connections.count == 2)
        #expect(server.connections[1].isOpen)
        await client.close()
    }

    @Test("a server that refuses pings as abuse is pinged half as often on the next connection (jetcd#1041)")
    func abuse() async throws {
        let interval = Duration.milliseconds(100)
        let server = try FakeServer(.http2(.init()) { _, _, _ in })
        defer { server.stop() }
        let client = try server.client {
            $0.pingInterval = interval
            $0.pingTimeout = .seconds(60)
        }
        let watch = Task { for try await _ in client.watch(.key("k")) {} }
        for (number, patience) in [interval, interval * 2, interval * 4].enumerated() {
            try await eventually("connection \(number) is pinged") {
                server.connections.count > number && server.connections[number].session?.pingCount ?? 0 > 0
            }
            let session = try #require(server.connections[number].session)
            #expect(ContinuousClock.now - session.started >= patience)
            session.goAway(lastStreamID: 0, .enhanceYourCalm, "too_many_pings")
        }
        watch.cancel()
        _ = await watch.result
        await client.close()
    }

    @Test("a silent server is abandoned after a ping, and a read goes to the next connection")
    func silence() async throws {
        let server = try FakeServer { $0.answer() }
        defer { server.stop() }
        let client = try server.client {
            $0.pingInterval = .milliseconds(50)
            $0.pingTimeout = .milliseconds(500)
        }
        #expect(try await client.get("k") == nil)
        server.connections[0].goSilent()
        #expect(try await client.get("k") == nil)
        #expect(server.connections.count == 2)

        server.connections[1].goSilent()
        let error = await #expect(throws: EtcdError.self) { try await client.put("k", "v") }
        #expect(error?.code == .ambiguous)
        #expect(error?.description.contains("no answer to a ping") == true, "\(String(describing: error))")
        await client.close()
    }

    @Test("a write that is refused until its deadline was not done, and is not sent after it")
    func refusedForEver() async throws {
        let server = try FakeServer { $0.reset(.refusedStream) }
        defer { server.stop() }
        let client = try server.client {
            $0.callTimeout = .seconds(10)
            $0.retry.backoff = Backoff(initial: .seconds(20), maximum: .seconds(20), jitter: 0)
        }
        let error = await #expect(throws: EtcdError.self) { try await client.put("k", "v") }
        #expect(error?.code == .unavailable, "\(String(describing: error))")
        // Once, and once more at once; the next would be after twenty seconds.
        #expect(server.exchanges.count == 2)
        await client.close()
    }
}
