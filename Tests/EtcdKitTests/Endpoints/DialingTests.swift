// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// How a client finds a server, and the errors when it finds none.
@Suite("Dialer", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct DialingTests {
    private func answeringServer() throws -> FakeServer { try FakeServer { $0.answer() } }

    /// An address on which nobody listens: another test could get a port that was free a moment ago.
    private static let closedAddress = "127.0.0.1:1"

    /// Repeats a read that fails until its error has all of `reasons`: on a busy machine one call may end before the
    /// first attempt.
    private func expectFailure(
        _ endpoints: String,
        connectTimeout: Duration = .seconds(2),
        _ code: EtcdError.Code = .unavailable,
        saying reasons: [String]
    ) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.connectTimeout = connectTimeout
        configuration.callTimeout = .milliseconds(300)
        let client = try EtcdClient(configuration)
        try await eventually("an error with \(reasons)") {
            let error = await #expect(throws: EtcdError.self) { try await client.get("k") }
            guard reasons.allSatisfy({ error?.message.contains($0) == true }) else { return false }
            #expect(error?.code == code, "\(String(describing: error))")
            return true
        }
        await client.close()
    }

    @Test("a client connects when it is first used, and keeps the connection")
    func onDemand() async throws {
        let server = try answeringServer()
        defer { server.stop() }
        let client = try server.client()
        await Task.yield()
        #expect(server.connections.isEmpty)
        for _ in 0..<5 { #expect(try await client.get("k") == nil) }
        #expect(server.connections.count == 1)
        #expect(server.exchanges.count == 5)
        await client.close()
    }

    @Test("calls made together share one connection (etcd#10009)")
    func sharedAttempt() async throws {
        let server = try answeringServer()
        defer { server.stop() }
        let client = try server.client()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await client.get("k") } }
            try await group.waitForAll()
        }
        #expect(server.connections.count == 1)
        await client.close()
    }

    @Test("endpoints that refuse, stay silent, hang up or speak something else are passed over")
    func passedOver() async throws {
        // With a leader: a member without one would get the call only after all others have failed.
        let good = try FakeMember()
        let silent = try FakeServer(.silent)
        let rude = try FakeServer(.hangUp)
        let web = try FakeServer(Stranger.web.behavior)
        defer { for server in [good.server, silent, rude, web] { server.stop() } }
        let all = [Self.closedAddress, silent.address, rude.address, web.address, good.address]
        var configuration = try EtcdClient.Configuration(endpoints: all)
        configuration.connectTimeout = .milliseconds(800)
        let client = try EtcdClient(configuration)
        #expect(try await client.get("k") == nil)
        // The one that hangs up is asked for its protocol.
        #expect([silent, rude, web, good.server].map(\.connections.count) == [1, 2, 1, 1])
        try await eventually("the silent server was given up") { silent.connections.allSatisfy { !$0.isOpen } }
        await client.close()
    }

    /// A server that is not etcd, and the expected error.
    enum Stranger: String, CaseIterable {
        case nobody = "refused"
        case web = "answers in HTTP/1"
        case secure = "speaks TLS"
        case noise = "HTTP/2"
        case rude = "the server closed the connection"

        var behavior: FakeServer.Behavior {
            switch self {
            case .nobody: .silent
            case .web: .bytes(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            case .secure: .bytes([0x15, 3, 1, 0, 2, 2, 10])
            case .noise: .bytes(pattern(100))
            case .rude: .hangUp
            }
        }
    }

    @Test("an endpoint that is not reachable is named with the reason", arguments: Stranger.allCases)
    func reason(stranger: Stranger) async throws {
        let server = try FakeServer(stranger.behavior)
        defer { server.stop() }
        let address = stranger == .nobody ? Self.closedAddress : server.address
        let code: EtcdError.Code = [.nobody, .rude].contains(stranger) ? .unavailable : .misconfigured
        try await expectFailure(address, code, saying: ["\(address): ", stranger.rawValue])
    }

    @Test("a name without an address is named with the reason")
    func unknownName() async throws {
        try await expectFailure("a..b:1", .misconfigured, saying: ["a..b:1: cannot look up \"a..b\": "])
    }

    @Test("when no endpoint is reachable, all are named (etcd#10087)")
    func reasons() async throws {
        let web = try FakeServer(Stranger.web.behavior)
        defer { web.stop() }
        let endpoints = [Self.closedAddress, web.address]
        try await expectFailure(endpoints.joined(separator: ","), saying: endpoints.map { "\($0): " })
    }

    @Test(
        "a server that accepts and never speaks is given up after connectTimeout, and not before",
        arguments: [(.milliseconds(100), "no answer within"), (.seconds(60), "was made in time")]
            as [(Duration, String)]
    )
    func silence(connectTimeout: Duration, reason: String) async throws {
        let silent = try FakeServer(.silent)
        defer { silent.stop() }
        try await expectFailure(silent.address, connectTimeout: connectTimeout, saying: [reason])
        try await eventually("no attempt is left") { silent.connections.allSatisfy { !$0.isOpen } }
    }

    @Test("failed attempts are repeated with pauses, until the server is back")
    func recovery() async throws {
        let server = try FakeServer(.hangUp)
        defer { server.stop() }
        let client = try server.client {
            $0.backoff = Backoff(initial: .milliseconds(50), maximum: .milliseconds(100), jitter: 0)
        }
        let start = ContinuousClock.now
        async let answer = client.get("k")
        // Two connections each: one more asks for the protocol.
        try await eventually("some attempts have failed") { server.connections.count >= 10 }
        // Four pauses, the first of 50 ms, lie between five attempts of two connections each.
        #expect(ContinuousClock.now - start >= .milliseconds(200))
        server.change(to: .answer { $0.answer() })
        #expect(try await answer == nil)
        await client.close()
    }

    @Test("a call that is cancelled while there is no connection ends at once, and the client goes on")
    func cancelled() async throws {
        let server = try FakeServer(.silent)
        defer { server.stop() }
        let client = try server.client { $0.connectTimeout = .milliseconds(300) }
        let task = Task { try await client.get("k") }
        try await eventually("the client connects") { !server.connections.isEmpty }
        task.cancel()
        let error = await #expect(throws: EtcdError.self) { try await task.value }
        #expect(error?.code == .cancelled)
        server.change(to: .answer { $0.answer() })
        #expect(try await client.get("k") == nil)
        await client.close()
    }
}
