// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Foundation
import Testing

/// With `ETCD_RELAY=3.7` in the environment, the tests that share an etcd, and those behind a proxy, run through a
/// ``KeysOnlyRelay``.
private enum LiveRelay {
    static let shared = Task { try KeysOnlyRelay(to: try await LiveEtcd.endpoint) }
    static var isUsed: Bool { ProcessInfo.processInfo.environment["ETCD_RELAY"] == "3.7" }
}

/// Lends a client of the shared etcd to `body`, with a name that no other test uses.
@discardableResult
func withLiveClient<Result>(_ body: (EtcdClient, Key) async throws -> Result) async throws -> Result {
    try await withEtcdClient(endpoints: try await liveEndpoint()) { client in
        try await body(client, LiveEtcd.uniqueName())
    }
}

/// The endpoint of the shared etcd.
func liveEndpoint() async throws -> String {
    try await LiveRelay.isUsed ? LiveRelay.shared.value.endpoint : LiveEtcd.endpoint
}

/// Lends an etcd of its own to `body`: `client` goes through the proxy, `witness` does not.
func withProxiedEtcd(
    _ body: (_ proxy: FaultProxy, _ client: EtcdClient, _ witness: EtcdClient) async throws -> Void
) async throws {
    try await withEtcdCluster { cluster in
        let endpoint = try #require(cluster.endpoints.first)
        let relay = LiveRelay.isUsed ? try KeysOnlyRelay(to: endpoint) : nil
        defer { withExtendedLifetime(relay) {} }
        try await withFaultProxy(to: relay?.endpoint ?? endpoint) { proxy in
            try await withEtcdClient(endpoints: proxy.endpoint) { client in
                try await withEtcdClient(endpoints: endpoint) { witness in try await body(proxy, client, witness) }
            }
        }
    }
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
