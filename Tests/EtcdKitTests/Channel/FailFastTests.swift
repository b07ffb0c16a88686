// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("EtcdClient: calls that fail fast", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct FailFastTests {
    @Test("a call fails at once while the last attempt has failed, and works again when etcd is back")
    nonisolated func outage() async throws {
        try await withPrivateEtcd { client, cluster in
            var configuration = client.configuration
            configuration.backoff = Backoff(initial: .milliseconds(500), maximum: .milliseconds(500), jitter: 0)
            try await withEtcdClient(configuration) { client in
                let fast = client.with(waitsForConnection: false)
                try await fast.put("k", "1")
                await cluster.members[0].kill()
                // The first call may use the connection that breaks, or try to connect.
                _ = try? await fast.get("k")
                let start = ContinuousClock.now
                var errors: [EtcdError] = []
                for _ in 0..<20 {
                    do throws(EtcdError) { _ = try await fast.get("k") } catch { errors.append(error) }
                }
                #expect(errors.count == 20)
                #expect(errors.allSatisfy { $0.code == .unavailable })
                #expect(errors.last?.message.contains(cluster.endpoints[0].split(separator: ":").last ?? "?") == true)
                #expect(.now - start < .seconds(2))
                // The control: a call that waits ends at its deadline.
                let waiting = ContinuousClock.now
                await expectError(.unavailable) { try await client.with(timeout: .seconds(1)).get("k") }
                #expect(.now - waiting >= .seconds(1))
                try await cluster.members[0].restart()
                try await eventually("it works again") { (try? await fast.get("k")?.value) == "1" }
            }
        }
    }

    @Test("the policy of a call counts, and not that of the configuration, also before there is a token")
    func beforeToken() async throws {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        configuration.credentials = .user("root", password: "x")
        configuration.callTimeout = .seconds(60)
        try await withEtcdClient(configuration) { client in
            let start = ContinuousClock.now
            await expectError(.unavailable) { try await client.with(waitsForConnection: false).get("k") }
            #expect(.now - start < .seconds(20))
        }
        configuration.waitsForConnection = false
        try await withEtcdClient(configuration) { client in
            let patient = client.with(waitsForConnection: true).with(timeout: .seconds(1))
            let start = ContinuousClock.now
            await expectError(.unavailable) { try await patient.get("k") }
            #expect(.now - start >= .seconds(1))
        }
    }

    @Test("the policy counts also when etcd is lost while the client gets a token", arguments: [false, true])
    func lostBeforeToken(waits: Bool) async throws {
        let member = try FakeMember()
        member.onCall = { [weak member] _ in member?.server.stop() }
        try await FakeMember.with(
            [member],
            {
                $0.credentials = .user("root", password: "x")
                $0.callTimeout = .seconds(60)
                $0.waitsForConnection = !waits
            }
        ) { client in
            let start = ContinuousClock.now
            await expectError(.unavailable) {
                try await client.with(waitsForConnection: waits).with(timeout: .seconds(waits ? 1 : 60)).get("k")
            }
            let time = ContinuousClock.now - start
            #expect(waits ? time >= .seconds(1) : time < .seconds(20))
        }
    }

    @Test("an endpoint that does not answer is given one attempt")
    func silence() async throws {
        let server = try FakeServer(.silent)
        defer { server.stop() }
        var configuration = try EtcdClient.Configuration(endpoints: server.address)
        configuration.waitsForConnection = false
        configuration.connectTimeout = .milliseconds(200)
        try await withEtcdClient(configuration) { client in
            for _ in 0..<2 {
                let start = ContinuousClock.now
                await expectError(.unavailable) { try await client.get("k") }
                #expect((.milliseconds(200)..<(.seconds(5))).contains(.now - start))
            }
        }
    }

    @Test("one endpoint that works is enough")
    func oneOfTwo() async throws {
        let member = try FakeMember()
        let closed = try Endpoint("127.0.0.1:1")
        try await FakeMember.with([member], { $0.endpoints.append(closed) }) { client in
            let fast = client.with(waitsForConnection: false)
            for _ in 0..<5 { _ = try await fast.get("k") }
        }
    }

    @Test("watches go on however long etcd is away")
    nonisolated func watches() async throws {
        try await withPrivateEtcd { client, cluster in
            var configuration = client.configuration
            configuration.waitsForConnection = false
            try await withEtcdClient(configuration) { client in
                try await client.withWatch(.key("k")) { changes in
                    await cluster.members[0].kill()
                    await expectError(.unavailable) { try await client.get("k") }
                    try await cluster.members[0].restart()
                    try await client.with(waitsForConnection: true).put("k", "v")
                    for try await event in changes {
                        #expect(event.key == "k")
                        break
                    }
                }
            }
        }
    }
}
