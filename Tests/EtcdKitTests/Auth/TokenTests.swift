// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// When a client asks for a token, and what it does when the token is refused.
@Suite("Auth: tokens", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct TokenTests {
    private static let password = "s3cret-Password"

    /// A member that grants tokens, and accepts the newest one only.
    @EventLoop
    private final class Guard {
        let member: FakeMember
        private(set) var granted = 0
        var refusal = (GRPCStatus.Code.unauthenticated, "etcdserver: invalid auth token")
        /// The status that it sends instead of a token.
        var rejection: (GRPCStatus.Code, String)?
        /// Accepts no token at all.
        var refusesAll = false
        private(set) var seen: [String?] = []

        init() throws {
            member = try FakeMember()
            member.onCall = { [weak self] in self?.received($0) }
        }

        func expireToken() { granted += 1 }

        private func received(_ exchange: HTTP2ServerExchange) {
            if exchange.headers[":path"] == Wire.authenticate.path {
                if let (code, text) = rejection { return exchange.refuse(code, text) }
                granted += 1
                return exchange.answer(with: Wire.AuthenticateResponse(token: "token.\(granted)"))
            }
            seen.append(exchange.headers["token"])
            if refusesAll || exchange.headers["token"] != "token.\(granted)" {
                return exchange.refuse(refusal.0, refusal.1)
            }
            exchange.answer()
        }
    }

    private func withUser(
        _ server: Guard,
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: @EventLoop (EtcdClient) async throws -> Void
    ) async throws {
        try await FakeMember.with(
            [server.member],
            {
                $0.credentials = .user("root", password: Self.password)
                configure(&$0)
            },
            body
        )
    }

    @Test("a token is fetched once for many calls (bug class: one Authenticate for each stream or call)")
    func singleFlight() async throws {
        let server = try Guard()
        try await withUser(server) { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { try await client.put("k", "v") } }
                try await group.waitForAll()
            }
            #expect(server.granted == 1)
            #expect(Set(server.seen) == ["token.1"])
        }
    }

    @Test(
        "each message about an invalid token leads to one new token, and the calls are repeated (etcd-client#45)",
        arguments: [
            (.unauthenticated, "etcdserver: invalid auth token"),
            (.invalidArgument, "etcdserver: revision of auth store is old"),
            (.unknown, "auth: revision in header is old"),
            (.invalidArgument, "etcdserver: user name is empty"),
        ] as [(GRPCStatus.Code, String)]
    )
    func renewal(code: GRPCStatus.Code, text: String) async throws {
        let server = try Guard()
        server.refusal = (code, text)
        let log = EventLog()
        try await withUser(server, { log.attach(to: &$0) }) { client in
            try await client.put("k", "v")
            server.expireToken()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { try await client.put("k", "v") } }
                try await group.waitForAll()
            }
            #expect(server.granted == 3)
            #expect(log.count { if case .tokenRefreshed = $0 { true } else { false } } == 2)
        }
    }

    @Test("other refusals do not lead to a new token", arguments: ["etcdserver: permission denied", "etcdserver: no"])
    func otherRefusals(text: String) async throws {
        let server = try Guard()
        try await withUser(server) { client in
            try await client.put("k", "v")
            server.refusal = (.permissionDenied, text)
            server.refusesAll = true
            // etcd has no such text, so the outcome of the write is unknown.
            let isKnown = text == "etcdserver: permission denied"
            await expectError(isKnown ? .permissionDenied : .ambiguous) { try await client.put("k", "v") }
            #expect(server.granted == 1)
            #expect(server.seen.count == 2)
        }
    }

    @Test("a call fails if a fresh token is refused too, without further attempts")
    func refusedForEver() async throws {
        let server = try Guard()
        server.refusesAll = true
        try await withUser(server) { client in
            await expectError(.invalidToken) { try await client.get("k") }
            #expect(server.granted == 2)
            #expect(server.seen.count == 2)
        }
    }

    @Test("the error about a wrong password does not contain it, and only the next call authenticates again")
    func wrongPassword() async throws {
        let server = try Guard()
        server.rejection = (.invalidArgument, "etcdserver: authentication failed, invalid user ID or password")
        let log = EventLog()
        try await withUser(server, { log.attach(to: &$0) }) { client in
            let error = await #expect(throws: EtcdError.self) { try await client.get("k") }
            #expect(error?.code == .authenticationFailed)
            server.rejection = nil
            _ = try await client.get("k")
            let texts = [String(describing: error), String(reflecting: error), "\(log.events)"]
            for text in texts { #expect(!text.contains(Self.password) && !text.contains("token.1")) }
        }
    }

    @Test("a cluster without authentication is used without a token")
    func notEnabled() async throws {
        let server = try Guard()
        server.rejection = (.failedPrecondition, "etcdserver: authentication is not enabled")
        server.member.onCall = { exchange in
            if exchange.headers[":path"] == Wire.authenticate.path {
                exchange.refuse(.failedPrecondition, "etcdserver: authentication is not enabled")
            } else {
                #expect(exchange.headers["token"] == nil)
                exchange.answer()
            }
        }
        try await withUser(server) { client in
            for _ in 0..<3 { _ = try await client.get("k") }
            #expect(server.member.callCount == 4)
        }
    }

    @Test("the token goes with every call and stream, also with those about leases and members (CVE-2026-33413)")
    func everywhere() async throws {
        let server = try Guard()
        try await FakeMember.with([server.member], { $0.credentials = .token("made.elsewhere") }) { client in
            server.member.onCall = { $0.refuse(.internal, "no") }
            let members = Wire.MemberListRequest()
            _ = try? await client.call(Wire.memberList, members)
            _ = try? await client.put("k", "v")
            _ = try? await client.leases.grant(timeToLive: .seconds(5))
            _ = try? await client.leases.list()
            _ = try? await client.leases.timeToLive(of: Lease.ID(rawValue: 1))
            _ = try? await client.leases.revoke(Lease.ID(rawValue: 1))
            // Renewals are repeated until the timeout.
            _ = try? await client.with(timeout: .milliseconds(300)).leases.keepAliveOnce(Lease.ID(rawValue: 1))
            let exchanges = server.member.server.exchanges
            #expect(Set(exchanges.map { $0.headers[":path"] }).count == 7)
            #expect(exchanges.allSatisfy { $0.headers["token"] == "made.elsewhere" })
        }
    }

    @Test("a token from elsewhere goes with each call, and is not replaced")
    func staticToken() async throws {
        let server = try Guard()
        server.refusesAll = true
        try await FakeMember.with([server.member], { $0.credentials = .token("made.elsewhere") }) { client in
            await expectError(.invalidToken) { try await client.get("k") }
            #expect(server.seen == ["made.elsewhere"])
            #expect(server.granted == 0)
        }
    }

    @Test("a client with a certificate repeats a call once when permissions have changed (etcd#14790)")
    func certificate() async throws {
        let server = try Guard()
        server.refusal = (.invalidArgument, "etcdserver: revision of auth store is old")
        try await FakeMember.with([server.member]) { client in
            await expectError(.staleToken) { try await client.put("k", "v") }
            #expect(server.seen.count == 2)
        }
    }

    @Test("the cancellation of one caller does not disturb the others that wait for the token")
    func cancelledCaller() async throws {
        let server = try Guard()
        var pending: [HTTP2ServerExchange] = []
        let answer = server.member.onCall
        server.member.onCall = { exchange in
            if exchange.headers[":path"] == Wire.authenticate.path {
                pending.append(exchange)
            } else {
                answer(exchange)
            }
        }
        try await withUser(server) { client in
            let first = Task { try await client.get("k") }
            try await eventually("the token is asked for") { !pending.isEmpty }
            let second = Task { try await client.get("k") }
            first.cancel()
            await expectError(.cancelled) { try await first.value }
            server.expireToken()
            for exchange in pending { exchange.answer(with: Wire.AuthenticateResponse(token: "token.1")) }
            _ = try await second.value
            #expect(pending.count == 1)
        }
    }

    @Test("descriptions contain no secrets")
    func descriptions() throws {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        for credentials in [Credentials.user("root", password: Self.password), .token(Self.password)] {
            configuration.credentials = credentials
            var dumped = ""
            dump(configuration, to: &dumped)
            let texts = [dumped, "\(configuration)", String(reflecting: configuration), "\(credentials)"]
            for text in texts { #expect(!text.contains(Self.password)) }
        }
    }

    @Test(
        "credentials that cannot be sent are refused at once",
        arguments: [
            Credentials.user("", password: "x"), .token(""), .token("two\nlines"), .token("späce"),
        ]
    )
    func invalid(credentials: Credentials) throws {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        configuration.credentials = credentials
        #expect(throws: EtcdError.self) { try EtcdClient(configuration) }
    }
}
