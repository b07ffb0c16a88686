// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Credentials: from a provider", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct CredentialsProviderTests {
    private struct VaultIsSealed: Error {}

    /// A member that accepts one token, and a provider whose answers the test chooses.
    @EventLoop
    private final class Scene {
        let member: FakeMember
        var accepted = "jwt.1"
        private(set) var seen: [String?] = []
        private let asked = Lock(0)

        nonisolated var askCount: Int { asked.withLock { $0 } }

        init() throws {
            member = try FakeMember()
            member.onCall = { [weak self] exchange in
                guard let self else { return }
                seen.append(exchange.headers["token"])
                if exchange.headers["token"] == accepted { return exchange.answer() }
                exchange.refuse(.unauthenticated, "etcdserver: invalid auth token")
            }
        }

        /// Lends a client whose provider does `answer` with the number of times that it was asked.
        func with(
            callTimeout: Duration = .seconds(10),
            _ answer: @escaping @Sendable (Int) async throws -> Credentials,
            _ body: @EventLoop (EtcdClient) async throws -> Void
        ) async throws {
            let provider = Credentials.provider { [asked] in
                try await answer(
                    asked.withLock { count in
                        count += 1
                        return count
                    }
                )
            }
            try await FakeMember.with(
                [member],
                {
                    $0.credentials = provider
                    $0.callTimeout = callTimeout
                },
                body
            )
        }
    }

    @Test("the provider is asked once for many calls, and again when the server refuses the token")
    func renewal() async throws {
        let scene = try Scene()
        try await scene.with({ .token("jwt.\($0)") }) { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { try await client.put("k", "v") } }
                try await group.waitForAll()
            }
            #expect(scene.askCount == 1)
            scene.accepted = "jwt.2"
            try await client.put("k", "v")
            #expect(scene.askCount == 2)
            #expect(scene.seen.suffix(2) == ["jwt.1", "jwt.2"])
        }
    }

    @Test("a token is replaced before it expires, and no call is refused")
    func expiry() async throws {
        let scene = try Scene()
        try await scene.with({ .token("jwt.\($0)", validFor: .milliseconds(300)) }) { client in
            try await client.put("k", "v")
            #expect(scene.askCount == 1)
            try await Task.sleep(for: .milliseconds(290))
            scene.accepted = "jwt.2"
            try await client.put("k", "v")
            #expect(scene.seen == ["jwt.1", "jwt.2"])
        }
    }

    @Test("the error of a provider is the cause of the call's error, and the next call asks the provider again")
    func failure() async throws {
        let scene = try Scene()
        try await scene.with({ if $0 == 1 { throw VaultIsSealed() } else { .token("jwt.1") } }) { client in
            do throws(EtcdError) {
                try await client.put("k", "v")
                Issue.record("no error")
            } catch {
                #expect(error.code == .unavailable)
                #expect(error.cause is VaultIsSealed)
            }
            try await client.put("k", "v")
            #expect(scene.askCount == 2)
        }
    }

    @Test("an invalid token and a nested provider are refused", arguments: [true, false])
    func invalid(isNested: Bool) async throws {
        let scene = try Scene()
        let answer: @Sendable (Int) -> Credentials = { _ in
            isNested ? .provider { .token("jwt.1") } : .token("two\nlines")
        }
        try await scene.with(answer) { client in
            await expectError(.invalidArgument) { try await client.put("k", "v") }
        }
    }

    @Test(
        "watches and leases go on after a provider has failed once, with an unusable token or with any error",
        arguments: [nil, .keyNotFound, .unauthenticated] as [EtcdError.Code?]
    )
    func streams(code: EtcdError.Code?) async throws {
        func provider() -> Credentials {
            let isFirst = Lock(true)
            return .provider {
                let fails = isFirst.withLock { isFirst in
                    defer { isFirst = false }
                    return isFirst
                }
                if !fails { return .token("jwt") }
                if let code { throw EtcdError(code, "the vault has a problem") }
                return .token("")
            }
        }
        let watches = try WatchServer()
        try await watches.with {
            $0.credentials = provider()
        } _: { client in
            let watch = Task<Revision?, any Error> {
                for try await event in client.watch(.key("k"), from: 5) { return event.revision }
                return nil
            }
            try await eventually("the watch is there") { watches.newest(of: "k") != nil }
            watches.newest(of: "k")?.put("x", at: 7)
            #expect(try await watch.value == 7)
        }

        let leases = try LeaseServer { $0.answer(timeToLive: 60) }
        defer { leases.stop() }
        let client = try leases.client { $0.credentials = provider() }
        let lease = Lease(id: Lease.ID(rawValue: 1), timeToLive: .seconds(60))
        var states = client.leases.keepAlive(lease).makeAsyncIterator()
        #expect(try await states.next()?.isActive == true)
        await client.close()
    }

    @Test("a call to a provider that never answers fails at its timeout; closing the client cancels the provider")
    func hanging() async throws {
        let scene = try Scene()
        let isCancelled = Lock(false)
        let answer: @Sendable (Int) async throws -> Credentials = { _ in
            do { try await Task.sleep(for: .seconds(3600)) } catch { isCancelled.withLock { $0 = true } }
            return .token("jwt.1")
        }
        try await scene.with(callTimeout: .seconds(60), answer) { client in
            let start = ContinuousClock.now
            await expectError(.deadlineExceeded) {
                try await client.with(timeout: .milliseconds(100)).put("k", "v")
            }
            #expect(.now - start < .seconds(5))
            let tokens = client.core.channel.tokens
            try await eventually("nothing waits") { tokens.waiting.isEmpty }
        }
        try await eventually("the provider is cancelled") { isCancelled.withLock { $0 } }
        #expect(scene.askCount == 1)
    }

    @Test("a provider that takes too long is cancelled; it is asked again for a call that has more time")
    func slow() async throws {
        let scene = try Scene()
        let answer: @Sendable (Int) async throws -> Credentials = { number in
            if number == 1 { try await Task.sleep(for: .seconds(3600)) }
            return .token("jwt.1")
        }
        try await scene.with(callTimeout: .milliseconds(200), answer) { client in
            try await client.with(timeout: .seconds(60)).put("k", "v")
            #expect(scene.askCount == 2)
        }
    }

    @Test("a provider that gives the refused token again is asked once for all calls that were refused")
    func sameToken() async throws {
        let scene = try Scene()
        let member = scene.member
        var held: [HTTP2ServerExchange] = []
        member.onCall = { held.append($0) }
        try await scene.with({ _ in .token("jwt.1") }) { client in
            let calls = (0..<3).map { _ in Task { try await client.put("k", "v") } }
            try await eventually("all are there") { held.count == 3 }
            member.onCall = { $0.answer() }
            for (index, exchange) in held.enumerated() {
                exchange.refuse(.unauthenticated, "etcdserver: invalid auth token")
                try await eventually("the call is repeated") { member.callCount == 4 + index }
            }
            for call in calls { _ = try await call.value }
            #expect(scene.askCount == 2)
        }
    }

    @Test("with a real etcd, the provider is asked for the password again after another client has changed it")
    nonisolated func rotatedPassword() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            let (password, asked) = (Lock(AuthSetup.password), Lock(0))
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .provider {
                asked.withLock { $0 += 1 }
                return .user("alice", password: password.withLock { $0 })
            }
            try await withEtcdClient(configuration) { alice in
                try await alice.put("a/1", "v")
                let before = asked.withLock { $0 }
                password.withLock { $0 = "rotated" }
                try await root.auth.users.changePassword(to: "rotated", of: "alice")
                try await alice.put("a/2", "v")
                #expect(asked.withLock { $0 } > before)
            }
        }
    }

    @Test("descriptions contain no secrets")
    func descriptions() throws {
        let credentials = Credentials.provider { .token("secret") }
        #expect("\(credentials)" == "provider of credentials")
        #expect("\(Credentials.token("secret", validFor: .seconds(1)))" == "token")
        #expect(credentials == credentials && credentials != .provider { .token("secret") })
    }
}
