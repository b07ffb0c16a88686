// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Calls of a client against a scripted server: deadlines, cancellation, strange answers, and the end of the client.
@Suite("EtcdClient: calls", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct ClientCallTests {
    /// Reads and writes with a client of a server that does `answer`, and expects both to fail.
    private func failures(
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
    ) async throws -> (read: EtcdError?, write: EtcdError?) {
        let server = try FakeServer(answering: answer)
        defer { server.stop() }
        let client = try server.client(configure)
        let read = await #expect(throws: EtcdError.self) { try await client.get("k") }
        let write = await #expect(throws: EtcdError.self) { try await client.put("k", "v") }
        await client.close()
        return (read, write)
    }

    // MARK: Answers

    @Test("an answer is decoded")
    func answer() async throws {
        // A header (field 1) with a revision (field 3) of 7.
        let server = try FakeServer { $0.answer([0x0a, 2, 0x18, 7]) }
        defer { server.stop() }
        let client = try server.client()
        #expect(try await client.put("k", "v").header.revision == 7)
        #expect(server.exchanges[0].headers[":path"] == "/etcdserverpb.KV/Put")
        #expect(server.exchanges[0].headers[":authority"] == server.address)
        #expect(server.exchanges[0].messages == [[0x0a, 1, 0x6b, 0x12, 1, 0x76]])
        await client.close()
    }

    @Test("two messages, none, a compressed or a malformed one are a violation, which leaves a write in doubt")
    func violations() async throws {
        let bodies = [
            HTTP2ServerExchange.frame([]) + HTTP2ServerExchange.frame([]), [],
            HTTP2ServerExchange.frame([], compressed: true), HTTP2ServerExchange.frame([0x0a, 200]),
        ]
        for body in bodies {
            let failures = try await failures { exchange in
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                exchange.send(body)
                exchange.end(trailers: [("grpc-status", "0")])
            }
            #expect(failures.read?.code == .protocolViolation, "\(body)")
            #expect(failures.write?.code == .ambiguous, "\(body)")
            #expect((failures.write?.cause as? EtcdError)?.code == .protocolViolation, "\(body)")
        }
    }

    @Test("an answer over maximumMessageSize is refused, whether it is complete or not", arguments: [true, false])
    func tooLarge(ends: Bool) async throws {
        let failures = try await failures {
            $0.maximumMessageSize = 1000
        } answering: { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.send(HTTP2ServerExchange.frame(pattern(1001)))
            if ends { exchange.end(trailers: [("grpc-status", "0")]) }
        }
        #expect(failures.read?.code == .responseTooLarge)
        #expect(failures.read?.message.contains("maximumMessageSize") == true)
        #expect(failures.write?.code == .ambiguous)
        #expect((failures.write?.cause as? EtcdError)?.code == .responseTooLarge)
    }

    // MARK: Deadlines and cancellation

    @Test("a call without an answer ends with the client's timeout; a write may have happened")
    func deadline() async throws {
        let server = try FakeServer { if $0.id == 1 { $0.answer() } }
        defer { server.stop() }
        let client = try server.client()
        // So that there is a connection.
        _ = try await client.get("k")
        let hasty = client.with(timeout: .milliseconds(50))
        let read = await #expect(throws: EtcdError.self) { try await hasty.get("k") }
        #expect(read?.code == .deadlineExceeded)
        let write = await #expect(throws: EtcdError.self) { try await hasty.put("k", "v") }
        #expect(write?.code == .ambiguous)
        #expect(write?.description.contains("deadline") == true)
        #expect(server.connections.count == 1)
        await client.close()
    }

    @Test("a cancelled call ends as cancelled, and at the server too")
    func cancellation() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let client = try server.client()
        for isRead in [true, false] {
            let count = server.exchanges.count
            let task = Task {
                if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
            }
            try await eventually("the request is there") { server.exchanges.count > count }
            task.cancel()
            let error = await #expect(throws: EtcdError.self) { try await task.value }
            #expect(error?.code == .cancelled)
            try await eventually("the server gets the reset") { server.exchanges[count].resetCode == .cancel }
        }
        await client.close()
    }

    // MARK: The end of the client

    @Test("close fails the calls in flight and later ones, and closes the connection")
    func close() async throws {
        let server = try FakeServer { _ in }
        defer { server.stop() }
        let client = try server.client()
        let read = Task { try await client.get("k") }
        let write = Task { try await client.put("k", "v") }
        try await eventually("the requests are there") { server.exchanges.count == 2 }
        await client.close()
        await client.close()
        let readError = await #expect(throws: EtcdError.self) { try await read.value }
        #expect(readError?.code == .clientClosed)
        let writeError = await #expect(throws: EtcdError.self) { try await write.value }
        #expect(writeError?.code == .ambiguous)
        #expect(writeError?.description.contains("the client was closed") == true, "\(String(describing: writeError))")
        let late = await #expect(throws: EtcdError.self) { try await client.get("k") }
        #expect(late?.code == .clientClosed)
        try await eventually("the server sees the end") { !server.connections[0].isOpen }
        #expect(server.connections.count == 1)
    }

    @Test("close fails the calls that wait for a connection, and ends the attempt")
    func closeWhileConnecting() async throws {
        let server = try FakeServer(.silent)
        defer { server.stop() }
        let client = try server.client()
        let read = Task { try await client.get("k") }
        try await eventually("the client connects") { !server.connections.isEmpty }
        await client.close()
        let error = await #expect(throws: EtcdError.self) { try await read.value }
        #expect(error?.code == .clientClosed)
        try await eventually("the server sees the end") { !server.connections[0].isOpen }
    }

    @Test("close ends a pause between attempts")
    func closeWhilePausing() async throws {
        let server = try FakeServer(.hangUp)
        defer { server.stop() }
        let client = try server.client { $0.backoff = Backoff(initial: .seconds(60), maximum: .seconds(60)) }
        let read = Task { try await client.get("k") }
        try await eventually("the attempt has failed") { server.connections.count >= 1 }
        await client.close()
        let error = await #expect(throws: EtcdError.self) { try await read.value }
        #expect(error?.code == .clientClosed)
    }

    @Test("a client that is dropped closes its connection")
    func dropped() async throws {
        let server = try FakeServer { $0.answer() }
        defer { server.stop() }
        weak var core: ClientCore?
        do {
            let client = try server.client()
            core = client.core
            _ = try await client.get("k")
            #expect(server.connections[0].isOpen)
        }
        try await eventually("the server sees the end") { !server.connections[0].isOpen }
        #expect(core == nil)
    }
}
