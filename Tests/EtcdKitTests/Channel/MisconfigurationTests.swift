// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// A wrong setup fails at once with a code of its own; a client waits for a server that is only out of order.
@Suite("EtcdClient.Configuration: mistakes", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct MisconfigurationTests {
    /// Expects a call with the default deadline to fail early, saying `reason`.
    private func expectEarlyFailure(
        _ endpoints: String,
        _ tls: TLSConfiguration? = nil,
        saying reason: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.tls = tls
        configuration.callTimeout = .seconds(60)
        try await withEtcdClient(configuration) { client in
            // A second call fails by an attempt of its own, and not by the result of the first.
            for _ in 0..<2 {
                let start = ContinuousClock.now
                let error = await #expect(throws: EtcdError.self, sourceLocation: sourceLocation) {
                    try await client.get("k")
                }
                #expect(error?.code == .misconfigured, "\(String(describing: error))", sourceLocation: sourceLocation)
                #expect(
                    error?.message.contains(reason) == true,
                    "\(error?.message ?? "")",
                    sourceLocation: sourceLocation
                )
                #expect(ContinuousClock.now - start < .seconds(20), sourceLocation: sourceLocation)
            }
        }
    }

    @Test("a wrong authority, files that cannot be read, and TLS to plaintext and back, at a real etcd")
    func realEtcd() async throws {
        try await withSecureEtcd { etcd in
            let stranger = TLSConfiguration(trustedCertificates: .text(try TestCertificateAuthority().certificate))
            try await expectEarlyFailure(etcd.endpoint, stranger, saying: "unknown authority")
            let missing = TLSConfiguration(trustedCertificates: .file("/nowhere/ca.pem"))
            try await expectEarlyFailure(etcd.endpoint, missing, saying: "cannot read /nowhere/ca.pem")
            let plain = try etcd.endpoint()
            try await expectEarlyFailure("http://\(plain)", saying: "speaks TLS here; use an https:// endpoint")
            let named = try etcd.endpoint(host: "localhost")
            try await expectEarlyFailure("http://\(plain),http://\(named)", saying: "http")
        }
        try await withEtcdCluster { cluster in
            let endpoint = "https://\(cluster.endpoints[0])"
            try await expectEarlyFailure(endpoint, saying: "does not speak TLS here")
        }
    }

    @Test(
        "a server that breaks HTTP/2, and one that speaks something else",
        arguments: [.noise, .web, .secure] as [DialingTests.Stranger]
    )
    func strangers(stranger: DialingTests.Stranger) async throws {
        let server = try FakeServer(stranger.behavior)
        defer { server.stop() }
        try await expectEarlyFailure(server.address, saying: stranger.rawValue)
        try await expectEarlyFailure("\(server.address),a..b:1", saying: stranger.rawValue)
    }

    @Test("a host that does not exist")
    func unknownHost() async throws {
        try await expectEarlyFailure("a..b:1", saying: "cannot look up \"a..b\"")
    }

    // MARK: Controls

    @Test("the control: an outage is waited for, and has the code of outages")
    func outage() async throws {
        let rude = try FakeServer(.hangUp)
        let web = try FakeServer(DialingTests.Stranger.web.behavior)
        defer { for server in [rude, web] { server.stop() } }
        let closed = "127.0.0.1:1"
        // No server listens; a proxy has lost its server, also with TLS; one of two endpoints is only down.
        for endpoints in [closed, rude.address, "https://\(rude.address)", "\(web.address),\(closed)"] {
            try await withEtcdClient(EtcdClient.Configuration(endpoints: endpoints)) { client in
                let start = ContinuousClock.now
                await expectError(.unavailable) { try await client.with(timeout: .seconds(1)).get("k") }
                #expect(ContinuousClock.now - start >= .seconds(1), "\(endpoints)")
            }
        }
    }

    @Test("a client that does not wait for connections fails with the refusal; a silent server has until the timeout")
    func refusal() async throws {
        let (rude, silent) = (try FakeServer(.hangUp), try FakeServer(.silent))
        defer { for server in [rude, silent] { server.stop() } }
        func time(of endpoints: String) async throws -> Duration {
            var configuration = try EtcdClient.Configuration(endpoints: endpoints)
            configuration.waitsForConnection = false
            configuration.connectTimeout = .seconds(60)
            return try await withEtcdClient(configuration) { client in
                let start = ContinuousClock.now
                for _ in 0..<2 {
                    await expectError(.unavailable) { try await client.with(timeout: .seconds(4)).get("k") }
                }
                return ContinuousClock.now - start
            }
        }
        for endpoints in ["127.0.0.1:1", rude.address, "127.0.0.1:1,\(rude.address)"] {
            #expect(try await time(of: endpoints) < .seconds(4), "\(endpoints)")
        }
        // A silent server may still answer.
        for endpoints in [silent.address, "127.0.0.1:1,\(silent.address)"] {
            #expect(try await time(of: endpoints) >= .seconds(8), "\(endpoints)")
        }
    }

    @Test("a name that could not be looked up may exist, and is waited for")
    func nameServerIsDown() async throws {
        let names = Names(.failure(isUnknown: false))
        try await withEtcdClient(names.configuration()) { client in
            let start = ContinuousClock.now
            await expectError(.unavailable) { try await client.with(timeout: .seconds(1)).get("k") }
            #expect(ContinuousClock.now - start >= .seconds(1))
        }
    }

    @Test("one endpoint that works is enough")
    func oneOfTwo() async throws {
        let member = try FakeMember()
        defer { member.server.stop() }
        let entry = try await withEtcdClient(endpoints: "a..b:1,\(member.address)") { try await $0.get("k") }
        #expect(entry == nil)
    }

    @Test("a call to a single endpoint fails early, whatever the others do")
    func singleEndpoint() async throws {
        let member = try FakeMember()
        defer { member.server.stop() }
        try await FakeMember.with([member]) { client in
            _ = try await client.get("k")
            let patient = client.with(timeout: .seconds(60))
            let endpoint = try Endpoint("a..b:1")
            await expectError(.misconfigured) { try await patient.maintenance.status(of: endpoint) }
        }
    }

    // MARK: Things that run already

    /// A resolver whose only name can be lost.
    private struct Names {
        enum Answer {
            case port(UInt16)
            case failure(isUnknown: Bool)
        }

        private let answer: Lock<Answer>

        init(_ answer: Answer) { self.answer = Lock(answer) }

        func change(to answer: Answer) { self.answer.withLock { $0 = answer } }

        func configuration() throws -> EtcdClient.Configuration {
            var configuration = try EtcdClient.Configuration(endpoints: "etcd.example:1")
            configuration.resolver = HostResolver { [answer] host, _ in
                switch answer.withLock({ $0 }) {
                case .port(let port):
                    Result { try loopback(port: port) }.map { [$0] }.mapError { _ in
                        SocketAddress.LookupError(host: host, reason: "no address", isUnknown: false)
                    }
                case .failure(let isUnknown):
                    .failure(SocketAddress.LookupError(host: host, reason: "lost", isUnknown: isUnknown))
                }
            }
            return configuration
        }
    }

    @Test("a client that was connected waits for a name that is lost for a while, and so do its watches")
    func lostName() async throws {
        try await withEtcdCluster { cluster in
            let proxy = try await FaultProxy.start(to: cluster.endpoints[0])
            let port = try Endpoint(proxy.endpoint).port
            let names = Names(.port(port))
            try await withEtcdClient(names.configuration()) { client in
                try await client.put("w", "1")
                var events = client.watch(.prefix("w"), from: 1).makeAsyncIterator()
                #expect(try await events.next()?.entry.value == "1")
                names.change(to: .failure(isUnknown: true))
                await proxy.cut()
                let start = ContinuousClock.now
                let error = await #expect(throws: EtcdError.self) {
                    try await client.with(timeout: .seconds(1)).get("w")
                }
                #expect(error?.code == .misconfigured && ContinuousClock.now - start >= .seconds(1))
                async let value = client.with(timeout: .seconds(30)).get("w")
                try await Task.sleep(for: .milliseconds(100))
                names.change(to: .port(port))
                #expect(try await value?.value == "1")
                try await client.put("w", "2")
                #expect(try await events.next()?.entry.value == "2")
            }
            await proxy.stop()
        }
    }

    private func firstValue(of watch: WatchSequence) async throws -> Value? {
        var events = watch.makeAsyncIterator()
        return try await events.next()?.entry.value
    }

    @Test("a watch that begins before the name can be resolved gets its events afterwards")
    func patient() async throws {
        try await withEtcdCluster { cluster in
            let names = Names(.failure(isUnknown: true))
            var configuration = try names.configuration()
            let log = EventLog()
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { client in
                async let watched = firstValue(of: client.watch(.prefix("w"), from: 1))
                try await eventually("attempts have failed") { log.failures >= 3 }
                await expectError(.misconfigured) { try await client.with(timeout: .seconds(60)).get("w") }
                names.change(to: .port(try Endpoint(cluster.endpoints[0]).port))
                try await client.put("w", "1")
                #expect(try await watched == "1")
            }
        }
    }
}
