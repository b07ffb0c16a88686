// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// A change of a default is a change of the API, and an option that is added belongs here.
@Suite("Defaults", .unit)
struct DefaultsTests {
    /// Compares all options but those that are left out with their texts.
    private func expect(
        _ options: Any,
        _ expected: [String: String],
        leavingOut names: Set<String> = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let present = Mirror(reflecting: options).children.compactMap { child in
            child.label.flatMap { names.contains($0) ? nil : ($0, "\(child.value)") }
        }
        #expect(Dictionary(uniqueKeysWithValues: present) == expected, sourceLocation: sourceLocation)
    }

    @Test("of a client")
    func client() throws {
        let configuration = try EtcdClient.Configuration(endpoints: "a")
        expect(
            configuration,
            [
                "tls": "nil",
                "credentials": "nil",
                "failover": "roundRobin",
                "endpointSyncInterval": "nil",
                "connectTimeout": "2.0 seconds",
                "waitsForConnection": "true",
                "callTimeout": "10.0 seconds",
                "pingInterval": "10.0 seconds",
                "pingTimeout": "5.0 seconds",
                "watchProbeInterval": "10.0 seconds",
                "metadata": "metadata ()",
                "interceptors": "[]",
                "maximumMessageSize": "67108864",
            ],
            leavingOut: ["endpoints", "onEvent", "retry", "backoff", "resolver"]
        )
        #expect(configuration.onEvent == nil)
        #expect(configuration.backoff == Backoff())
        #expect(configuration.retry == RetryPolicy() && configuration.retry.backoff == Backoff())
        #expect(try Endpoint("a").description == "a:2379")
        expect(
            Backoff(),
            ["initial": "0.05 seconds", "maximum": "0.75 seconds", "multiplier": "1.6", "jitter": "0.2"]
        )
        expect(
            RetryPolicy(),
            ["maximumAttempts": "\(Int.max)", "attemptTimeout": "2.0 seconds"],
            leavingOut: ["backoff"]
        )
        #expect(RetryPolicy.never.maximumAttempts == 1)
        let tls = TLSConfiguration()
        #expect(tls.trustedCertificates == nil && tls.certificateChain == nil && tls.privateKey == nil)
        #expect(tls.passphrase == nil && tls.serverName == nil && !tls.dangerouslySkipsVerification)
    }

    @Test("of reads and transactions")
    func calls() {
        expect(
            RangeOptions(),
            [
                "limit": "nil", "revision": "nil", "sort": "nil", "serializable": "false", "keysOnly": "false",
                "countOnly": "false", "minModRevision": "nil", "maxModRevision": "nil", "minCreateRevision": "nil",
                "maxCreateRevision": "nil",
            ]
        )
        expect(
            AtomicOptions(),
            [
                "prefetchedKeys": "[]", "maximumAttempts": "32", "maximumOperations": "128",
                "maximumRequestSize": "1572864", "isolation": "serializableSnapshot",
            ],
            leavingOut: ["backoff"]
        )
        expect(
            AtomicOptions().backoff,
            ["initial": "0.005 seconds", "maximum": "0.5 seconds", "multiplier": "2.0", "jitter": "0.9"]
        )
    }

    @Test("of watches and mirrors")
    func streams() {
        expect(
            WatchOptions(),
            [
                "includesPrevious": "false", "ignoresPuts": "false", "ignoresDeletes": "false",
                "reportsProgress": "false", "bufferSize": "1048576", "onCompaction": "throw", "lane": "bulk",
                "reportsInterruptions": "false",
            ]
        )
        expect(
            MirrorOptions(),
            [
                "checkInterval": "5.0 seconds", "maximumPendingChanges": "1000", "initialWait": "nil",
            ]
        )
    }
}
