// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit

@Suite("GRPC: unary calls", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct GRPCUnaryCallTests {
    private func call(
        on connection: HTTP2Connection,
        _ message: [UInt8] = [1, 2, 3],
        deadline: MonotonicInstant? = nil,
        maximumMessageSize: Int = 1 << 20
    ) async -> GRPCUnaryCall.Outcome {
        await GRPCUnaryCall.perform(
            "/service/method",
            GRPCFraming.frame { $0 += message },
            metadata: GRPCMetadata(authority: "peer:1", deadline: deadline),
            maximumMessageSize: maximumMessageSize,
            on: connection
        )
    }

    /// Makes a call to a server that does `answer`, and expects it to fail and to leave no stream behind.
    private func failure(
        _ settings: HTTP2ServerSession.Settings = .init(),
        maximumMessageSize: Int = 1 << 20,
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
    ) async throws -> GRPCFailure? {
        let server = try FakeServer(settings, answering: answer)
        defer { server.stop() }
        let connection = try await server.connect()
        let outcome = await call(on: connection, maximumMessageSize: maximumMessageSize)
        #expect(connection.openStreamCount == 0)
        return #expect(throws: GRPCFailure.self) { try outcome.get() }
    }

    // MARK: Answers

    @Test("the request arrives whole, and so does the answer")
    func success() async throws {
        let server = try FakeServer { $0.answer(pattern(100_000)) }
        defer { server.stop() }
        let connection = try await server.connect()
        let request = pattern(300_000, seed: 1)
        let body = try await call(on: connection, request).get()
        #expect(firstDifference(body, HTTP2ServerExchange.frame(pattern(100_000))) == nil)
        #expect(server.exchanges[0].messages == [request])
        #expect(server.exchanges[0].headers[":path"] == "/service/method")
        #expect(server.exchanges[0].headers["te"] == "trailers")
        #expect(server.exchanges[0].headers["grpc-timeout"] == nil)
        #expect(connection.openStreamCount == 0)
    }

    @Test("an answer may come in any pieces")
    func pieces() async throws {
        let server = try FakeServer { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            for byte in HTTP2ServerExchange.frame([7, 8, 9]) { exchange.send([byte]) }
            exchange.end(trailers: [("grpc-status", "0")])
        }
        defer { server.stop() }
        let connection = try await server.connect()
        #expect(try await call(on: connection).get() == HTTP2ServerExchange.frame([7, 8, 9]))
    }

    @Test("an error status carries its decoded message, from trailers and from a header block alone")
    func errorStatus() async throws {
        let expected = GRPCFailure(GRPCStatus(.notFound, "etcdserver: grün"), .answered)
        let alone = try await failure { $0.refuse(.notFound, "etcdserver:%20gr%C3%BCn") }
        #expect(alone == expected)
        let trailers = try await failure { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.send(HTTP2ServerExchange.frame([1]))
            exchange.end(trailers: [("grpc-status", "5"), ("grpc-message", "etcdserver: gr%c3%bcn")])
        }
        #expect(trailers == expected)
    }

    @Test("an answer without a status, or not of gRPC, has an error with that reason")
    func notGRPC() async throws {
        let bare = try await failure { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.end()
        }
        #expect(bare?.code == .protocolViolation)
        #expect(bare?.effect == .unknown)
        let page = try await failure { exchange in
            exchange.send([(":status", "200"), ("content-type", "text/html")])
            exchange.send(Array("<html>".utf8))
            exchange.end()
        }
        #expect(page?.message.contains("text/html") == true)
        let missing = try await failure { $0.send([(":status", "404")], isLast: true) }
        #expect(missing?.code == .unimplemented)
        let busy = try await failure { $0.send([(":status", "503")], isLast: true) }
        #expect(busy?.code == .unavailable)
    }

    @Test(
        "the error of a reset says whether the call can have had an effect",
        arguments: [
            (.refusedStream, .unavailable, .none), (HTTP2ErrorCode(rawValue: 2), .unavailable, .unknown),
            (.enhanceYourCalm, .unavailable, .unknown), (.cancel, .unavailable, .unknown),
            (.noError, .protocolViolation, .unknown),
        ] as [(HTTP2ErrorCode, EtcdError.Code, GRPCFailure.Effect)]
    )
    func reset(reset: HTTP2ErrorCode, code: EtcdError.Code, effect: GRPCFailure.Effect) async throws {
        let failure = try await failure { $0.reset(reset) }
        #expect(failure?.code == code)
        #expect(failure?.effect == effect)
    }

    @Test("a server may answer before it has read the request; the rest is not sent")
    func earlyAnswer() async throws {
        var settings = HTTP2ServerSession.Settings()
        settings.streamWindow = 10_000
        settings.opensWindows = false
        let server = try FakeServer(
            .http2(settings) { _, exchange, event in
                if event == .headers { exchange.answer([5]) }
            }
        )
        defer { server.stop() }
        let connection = try await server.connect()
        #expect(try await call(on: connection, pattern(1 << 20)).get() == HTTP2ServerExchange.frame([5]))
        try await eventually("the stream is closed at the server") { server.exchanges[0].closeCode != nil }
        #expect(server.exchanges[0].resetCode == .noError)
        #expect(server.exchanges[0].body.count <= 10_000)
        // The connection goes on.
        #expect(try await call(on: connection).get() == HTTP2ServerExchange.frame([5]))
        #expect(connection.openStreamCount == 0)
    }

    @Test("an answer over maximumMessageSize is given up; one within it is not (etcd#19441)")
    func tooLarge() async throws {
        let server = try FakeServer { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.send(HTTP2ServerExchange.frame(pattern(200_000)))
            if exchange.id == 1 { exchange.end(trailers: [("grpc-status", "0")]) }
        }
        defer { server.stop() }
        let connection = try await server.connect()
        #expect(try await call(on: connection, maximumMessageSize: 200_000).get().count == 200_005)
        let outcome = await call(on: connection, maximumMessageSize: 199_999)
        let failure = #expect(throws: GRPCFailure.self) { try outcome.get() }
        #expect(failure?.code == .responseTooLarge)
        #expect(failure?.message.contains("maximumMessageSize") == true)
        try await eventually("the server gets the reset") { server.exchanges[1].resetCode == .cancel }
    }

    @Test("an answer cut off by the end of the connection has an unknown effect", arguments: [false, true])
    func cutOff(hard: Bool) async throws {
        let server = try FakeServer(
            .http2(.init()) { connection, exchange, event in
                guard event == .end else { return }
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                exchange.send(Array(HTTP2ServerExchange.frame(pattern(1000)).prefix(500)))
                connection.flush()
                connection.close(hard: hard)
            }
        )
        defer { server.stop() }
        let connection = try await server.connect()
        let outcome = await call(on: connection)
        let failure = #expect(throws: GRPCFailure.self) { try outcome.get() }
        #expect(failure?.code == .unavailable)
        #expect(failure?.effect == .unknown)
        #expect(connection.openStreamCount == 0)
        #expect(connection.closingError?.kind == .lost)

        // A call on it now is not sent at all.
        let late = await call(on: connection)
        #expect(#expect(throws: GRPCFailure.self) { try late.get() }?.effect == GRPCFailure.Effect.none)
    }

    // MARK: Ends from this side

    @Test("a deadline goes to the server, and ends the call here and there")
    func deadline() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        let outcome = await call(on: connection, deadline: .now + .milliseconds(50))
        let failure = #expect(throws: GRPCFailure.self) { try outcome.get() }
        #expect(failure?.code == .deadlineExceeded)
        #expect(failure?.effect == .unknown)
        #expect(connection.openStreamCount == 0)
        try await eventually("the server gets the reset") { server.exchanges.first?.resetCode == .cancel }
        let timeout = try #require(server.exchanges[0].headers["grpc-timeout"])
        #expect((1...50).contains(try #require(Int(timeout.dropLast()))))
        #expect(timeout.hasSuffix("m"))
    }

    @Test("a reset after the deadline counts as the deadline; an earlier one is an error of its own")
    func resetAtDeadline() async throws {
        for (deadline, code) in [(50, .deadlineExceeded), (5000, .unavailable)] as [(Int, EtcdError.Code)] {
            let server = try FakeServer { exchange in
                // After the timers of this turn; so the reset is read before those of the next.
                EventLoop.execute {
                    Thread.sleep(forTimeInterval: 0.1)
                    exchange.reset(.cancel)
                }
            }
            defer { server.stop() }
            let connection = try await server.connect()
            let outcome = await call(on: connection, deadline: .now + .milliseconds(deadline))
            let failure = #expect(throws: GRPCFailure.self) { try outcome.get() }
            #expect(failure?.code == code)
            #expect(failure?.effect == .unknown)
        }
    }

    @Test("a call that was never sent has no effect when its deadline comes")
    func deadlineBeforeSending() async throws {
        var settings = HTTP2ServerSession.Settings()
        settings.maxConcurrentStreams = 1
        let server = try FakeServer(settings) { _ in }
        defer { server.stop() }
        let connection = try await server.connect()
        async let first = call(on: connection)
        try await eventually("the first call is there") { !server.exchanges.isEmpty }
        let second = await call(on: connection, deadline: .now + .milliseconds(20))
        let failure = #expect(throws: GRPCFailure.self) { try second.get() }
        #expect(failure?.code == .deadlineExceeded)
        #expect(failure?.effect == GRPCFailure.Effect.none)
        #expect(server.exchanges.count == 1)
        connection.close(ConnectionError(.closedByUs, "the test is over"))
        let lost = await first
        #expect(#expect(throws: GRPCFailure.self) { try lost.get() }?.effect == .unknown)
    }

    @Test("a task that is cancelled already sends nothing")
    func cancelledBefore() async throws {
        let server = try FakeServer { $0.answer() }
        defer { server.stop() }
        let connection = try await server.connect()
        let task = Task { @EventLoop in
            while !Task.isCancelled { await Task.yield() }
            return await call(on: connection)
        }
        task.cancel()
        let outcome = await task.value
        let failure = #expect(throws: GRPCFailure.self) { try outcome.get() }
        #expect(failure?.code == .cancelled)
        #expect(failure?.effect == GRPCFailure.Effect.none)
        #expect(try await call(on: connection).get() == HTTP2ServerExchange.frame([]))
        #expect(server.exchanges.count == 1)
    }

    @Test("calls cancelled at any moment end, and leave no stream open here or at the server")
    func cancellations() async throws {
        var random = SplitMix64(seed: 3)
        // A third is answered at once, a third later, a third never.
        let server = try FakeServer { exchange in
            switch exchange.id / 2 % 3 {
            case 0: exchange.answer([1])
            case 1: EventLoop.execute { EventLoop.execute { exchange.answer([1]) } }
            default: break
            }
        }
        defer { server.stop() }
        let connection = try await server.connect()
        var counts: [EtcdError.Code?: Int] = [:]
        for round in 0..<30 {
            let calls = (0..<100).map { _ in
                let task = Task { @EventLoop in await call(on: connection) }
                // From other threads, so that the cancellation meets the call at any point; later and later, so that
                // on any machine some calls have got to the server.
                let pause = Int.random(in: 0..<(20_000 << (round / 6)), using: &random)
                Task.detached {
                    for _ in 0..<pause { withExtendedLifetime(pause) {} }
                    task.cancel()
                }
                return task
            }
            for task in calls {
                switch await task.value {
                case .success: counts[nil, default: 0] += 1
                case .failure(let failure): counts[failure.code, default: 0] += 1
                }
            }
        }
        #expect(counts.values.reduce(0, +) == 3000)
        #expect(Set(counts.keys) == [nil, .cancelled], "\(counts)")
        #expect(connection.openStreamCount == 0)
        try await eventually("the server has no open stream") { server.exchanges.allSatisfy { $0.closeCode != nil } }
        let unanswered = server.exchanges.filter { $0.id / 2 % 3 == 2 }
        #expect(!unanswered.isEmpty)
        #expect(unanswered.allSatisfy { $0.resetCode == .cancel })
        #expect(connection.isOpen, "\(String(describing: connection.closingError))")
    }
}
