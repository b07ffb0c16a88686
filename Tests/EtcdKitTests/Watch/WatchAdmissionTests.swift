// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Watch: refusals because of the token or the user", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct WatchAdmissionTests {
    // MARK: The decision

    private nonisolated static let start = ContinuousClock.now

    private func verdict(
        _ admission: inout WatchAdmission,
        _ code: EtcdError.Code,
        attempt: Int = 10,
        granted: Int?,
        canRenew: Bool = true
    ) -> WatchAdmission.Verdict {
        let granted = granted.map { Self.start + .seconds($0) }
        return admission.refused(code, attempt: Self.start + .seconds(attempt), granted: granted, canRenew: canRenew)
    }

    @Test(
        "only the refusal of a token that was granted for the attempt is believed",
        arguments: [.permissionDenied, .invalidToken, .staleToken, .authenticationRequired] as [EtcdError.Code]
    )
    func freshness(code: EtcdError.Code) {
        var admission = WatchAdmission()
        #expect(verdict(&admission, code, granted: 0) == .renewToken)
        // Another token, but it was there before: it may have expired as well.
        #expect(verdict(&admission, code, attempt: 20, granted: 5) == .renewToken)
        #expect(verdict(&admission, code, attempt: 30, granted: 25) == .refuse)

        var first = WatchAdmission()
        #expect(verdict(&first, code, granted: 11) == .refuse)
        var without = WatchAdmission()
        #expect(verdict(&without, code, granted: nil) == .renewToken)
    }

    @Test("without a password there is no new token, but an old revision leads to one more attempt")
    func noPassword() {
        var admission = WatchAdmission()
        #expect(verdict(&admission, .permissionDenied, granted: nil, canRenew: false) == .refuse)
        var stale = WatchAdmission()
        #expect(verdict(&stale, .staleToken, granted: nil, canRenew: false) == .retry)
        #expect(verdict(&stale, .staleToken, granted: nil, canRenew: false) == .refuse)
    }

    @Test("a refusal that has nothing to do with the user is not retried")
    func otherReasons() {
        var admission = WatchAdmission()
        #expect(verdict(&admission, .compacted, granted: 0) == .refuse)
    }

    // MARK: Scripted servers

    /// A server that grants the tokens `t1`, `t2` and so on, and refuses watches as `refusal` says.
    @EventLoop
    private final class Script {
        var granted = 0
        var watches: [(token: String, key: String)] = []
        /// The reason to refuse a watch, or nil.
        let refusal: (_ token: String, _ key: String) -> String?
        /// Ends the whole stream instead.
        var endsStream = false

        init(_ refusal: @escaping (String, String) -> String?) { self.refusal = refusal }

        func run(_ exchange: HTTP2ServerExchange, _ event: HTTP2ServerSession.Event) {
            switch exchange.headers[":path"] {
            case Wire.authenticate.path where event == .end:
                granted += 1
                exchange.answer(with: Wire.AuthenticateResponse(token: "t\(granted)"))
            case Wire.watch.path where event == .headers:
                exchange.send(HTTP2ServerExchange.grpcHeaders)
            case Wire.watch.path where event == .data:
                for request in exchange.takeMessages(Wire.WatchRequest.self) { answer(request, on: exchange) }
            case Wire.watch.path: break
            default: if event == .end { exchange.answer() }
            }
        }

        private func answer(_ request: Wire.WatchRequest, on exchange: HTTP2ServerExchange) {
            guard let create = request.create else { return }
            let token = exchange.headers["token"] ?? ""
            let key = String(decoding: create.key, as: UTF8.self)
            watches.append((token, key))
            var response = Wire.WatchResponse()
            response.header.revision = 5
            response.created = true
            response.watchID = create.watchID
            if let reason = refusal(token, key) {
                if endsStream { return exchange.end(trailers: [("grpc-status", "16"), ("grpc-message", reason)]) }
                response.watchID = -1
                response.canceled = true
                response.cancelReason = reason
            }
            exchange.send(response)
        }
    }

    private static let denied = "rpc error: code = PermissionDenied desc = etcdserver: permission denied"

    /// Runs a script against a client that has a token already.
    private func with(_ script: Script, _ body: @EventLoop (EtcdClient) async throws -> Void) async throws {
        let server = try FakeServer(.http2(.init()) { _, exchange, event in script.run(exchange, event) })
        defer { server.stop() }
        let client = try server.client { $0.credentials = Credentials.user("alice", password: "secret") }
        _ = try await client.get("k")
        #expect(script.granted == 1)
        try await body(client)
        await client.close()
    }

    @Test("an old server that calls an expired token \"permission denied\" is asked once more with a fresh one")
    func expiredOnOldServer() async throws {
        let script = Script { token, _ in token == "t1" ? Self.denied : nil }
        try await with(script) { client in
            try await client.withWatch(.key("k")) { _ in }
            #expect(script.watches.map(\.token) == ["t1", "t2"])
            #expect(script.granted == 2)
        }
    }

    @Test("a denial in spite of a fresh token fails this watch only, without a storm of authentications")
    func deniedOnOldServer() async throws {
        let script = Script { _, key in key == "secret" ? Self.denied : nil }
        try await with(script) { client in
            try await client.withWatch(.key("k")) { events in
                for _ in 0..<5 {
                    await expectError(.permissionDenied) { try await client.withWatch(.key("secret")) { _ in } }
                }
                #expect(script.watches.count { $0.key == "k" } == 1)
                try await client.withWatch(.key("other")) { _ in }
            }
            #expect(script.granted == 2)
        }
    }

    @Test("many watches that are refused together share one new token")
    func refusedTogether() async throws {
        let script = Script { token, _ in token == "t1" ? "etcdserver: invalid auth token" : nil }
        try await with(script) { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<50 {
                    group.addTask { try await client.withWatch(.key(Key("k\(number)"))) { _ in } }
                }
                try await group.waitForAll()
            }
            #expect(script.granted == 2)
        }
    }

    @Test("a stream that ends because of its token is opened again with a fresh one; a refused fresh one is an error")
    func endedStream() async throws {
        let script = Script { token, _ in token == "t1" ? "etcdserver: invalid auth token" : nil }
        script.endsStream = true
        try await with(script) { client in
            try await client.withWatch(.key("k")) { _ in }
            #expect(script.watches.map(\.token) == ["t1", "t2"])
        }
        let hopeless = Script { _, _ in "etcdserver: invalid auth token" }
        hopeless.endsStream = true
        try await with(hopeless) { client in
            await expectError(.invalidToken) { try await client.withWatch(.key("k")) { _ in } }
            #expect(hopeless.granted == 2)
        }
    }
}
