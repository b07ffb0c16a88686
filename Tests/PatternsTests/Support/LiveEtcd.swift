// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Foundation
import Testing

/// The one real etcd that the live tests of this process share.
///
/// It is started on first use, and EtcdTesting removes it when the process ends. With `ETCD_RELAY=3.7` in the
/// environment, all tests that share it, and those behind a proxy, run through a ``KeysOnlyRelay``.
private enum LiveEtcd {
    static let cluster = Task { try await EtcdCluster.start() }
    static let relay = Task { try KeysOnlyRelay(to: try #require(try await cluster.value.endpoints.first)) }
    static var usesRelay: Bool { ProcessInfo.processInfo.environment["ETCD_RELAY"] == "3.7" }
}

/// Lends a client of the shared etcd to `body`, with a name that no other test uses.
@discardableResult
func withLiveClient<Result>(_ body: (EtcdClient, Key) async throws -> Result) async throws -> Result {
    try await withEtcdClient(endpoints: try await liveEndpoint()) { client in
        try await body(client, "test-\(String(UInt64.random(in: .min ... .max), radix: 16))")
    }
}

/// The endpoint of the shared etcd.
func liveEndpoint() async throws -> String {
    if LiveEtcd.usesRelay { return try await LiveEtcd.relay.value.endpoint }
    return try #require(try await LiveEtcd.cluster.value.endpoints.first)
}

/// Lends an etcd of its own to `body`: `client` goes through the proxy, `witness` does not.
func withProxiedEtcd(
    _ body: (_ proxy: FaultProxy, _ client: EtcdClient, _ witness: EtcdClient) async throws -> Void
) async throws {
    try await withEtcdCluster { cluster in
        let endpoint = try #require(cluster.endpoints.first)
        let relay = LiveEtcd.usesRelay ? try KeysOnlyRelay(to: endpoint) : nil
        defer { withExtendedLifetime(relay) {} }
        try await withFaultProxy(to: relay?.endpoint ?? endpoint) { proxy in
            try await withEtcdClient(endpoints: proxy.endpoint) { client in
                try await withEtcdClient(endpoints: endpoint) { witness in try await body(proxy, client, witness) }
            }
        }
    }
}

/// Expects `operation` to throw an ``EtcdError`` with the code `code`.
func expectError<Result>(
    _ code: EtcdError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: () async throws -> Result
) async {
    let error = await #expect(throws: EtcdError.self, sourceLocation: sourceLocation) { _ = try await operation() }
    if let error { #expect(error.code == code, "\(error)", sourceLocation: sourceLocation) }
}

/// Expects `operation` to throw `CancellationError`, as a wait does.
func expectCancellation<Result>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: () async throws -> Result
) async {
    await #expect(throws: CancellationError.self, sourceLocation: sourceLocation) { _ = try await operation() }
}

/// Expects `operation` to throw a ``BusyError``.
@discardableResult
func expectBusy<Result>(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: () async throws -> Result
) async -> BusyError? {
    await #expect(throws: BusyError.self, sourceLocation: sourceLocation) { _ = try await operation() }
}

/// Expects `operation` to throw a loss for `reason`.
@discardableResult
func expectLoss<Result>(
    _ reason: CoordinationLoss.Reason,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: () async throws -> Result
) async -> CoordinationLoss? {
    let loss = await #expect(throws: CoordinationLoss.self, sourceLocation: sourceLocation) {
        _ = try await operation()
    }
    if let loss { #expect(loss.reason == reason, "\(loss)", sourceLocation: sourceLocation) }
    return loss
}
