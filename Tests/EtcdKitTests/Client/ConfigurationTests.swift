// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("EtcdClient.Configuration", .live, .timeLimit(.minutes(1)))
struct ConfigurationTests {
    private func error(
        _ change: (inout EtcdClient.Configuration) -> Void
    ) throws -> EtcdError? {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        change(&configuration)
        return #expect(throws: EtcdError.self) { try EtcdClient(configuration) }
    }

    @Test("the defaults are accepted")
    func defaults() throws {
        let client = try EtcdClient(endpoints: "a:1,b:2")
        #expect(client.configuration.endpoints.map(\.description) == ["a:1", "b:2"])
    }

    @Test("a client needs an endpoint")
    func noEndpoint() throws {
        #expect(try error { $0.endpoints = [] }?.code == .invalidEndpoint)
        #expect(throws: EtcdError.self) { try EtcdClient(endpoints: "") }
    }

    @Test(
        "times must be longer than zero, and the refusal names the setting",
        arguments: [.zero, .seconds(-1)] as [Duration]
    )
    func times(duration: Duration) throws {
        for (name, path) in EtcdClient.Configuration.times {
            let error = try error { $0[keyPath: path] = duration }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.hasPrefix(name) == true, "\(String(describing: error))")
        }
    }

    @Test("timeouts of any length do not trap")
    func endlessTimes() async throws {
        try await withLiveClient { live, prefix in
            var configuration = live.configuration
            let endless = Duration.seconds(Int64.max)
            for (_, time) in EtcdClient.Configuration.times { configuration[keyPath: time] = endless }
            configuration.endpointSyncInterval = endless
            try await withEtcdClient(configuration) { client in
                let revision = try await client.put(prefix, "1").header.revision
                for try await _ in client.watch(.key(prefix), from: revision) { break }
                try await client.withLease(timeToLive: .seconds(60)) { lease in
                    _ = try await client.leases.keepAliveOnce(lease.id)
                }
                let retry = RetryPolicy(attemptTimeout: endless, backoff: Backoff(initial: endless, maximum: endless))
                for each in [client, client.with(retry: retry)] {
                    #expect(try await each.with(timeout: endless).get(prefix) != nil)
                    await expectError(.deadlineExceeded) {
                        try await each.with(timeout: .seconds(Int64.min)).get(prefix)
                    }
                }
            }
        }
    }

    @Test("the largest maximumMessageSize does not trap")
    func endlessMessageSize() async throws {
        try await withLiveClient { live, prefix in
            var configuration = live.configuration
            configuration.maximumMessageSize = .max
            try await withEtcdClient(configuration) { client in
                try await client.put(prefix, Value(String(repeating: "x", count: 100_000)))
                #expect(try await client.get(prefix)?.value.bytes.count == 100_000)
                for try await entry in client.entries(in: .prefix(prefix), pageSize: 1) { #expect(entry.key == prefix) }
            }
        }
    }

    @Test(
        "the error of a call without time names the timeout",
        arguments: [.zero, .seconds(-3), .seconds(Int64.min)] as [Duration]
    )
    func noTime(timeout: Duration) async throws {
        let client = try EtcdClient(endpoints: "127.0.0.1:1").with(timeout: timeout)
        for isRead in [true, false] {
            let error = await #expect(throws: EtcdError.self) {
                if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(error?.message.contains("a timeout of \(timeout)") == true, "\(String(describing: error))")
        }
        await client.close()
    }

    @Test("maximumMessageSize must be positive", arguments: [0, -1])
    func messageSize(size: Int) throws {
        let error = try error { $0.maximumMessageSize = size }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("maximumMessageSize") == true)
    }
}
