// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The one real etcd that the live tests of this process share.
///
/// It is started on first use, and EtcdTesting removes it when the process ends.
private enum LiveEtcd {
    static let cluster = Task { try await EtcdCluster.start() }
}

/// Lends a client of the shared etcd to `body`, with a prefix of keys that no other test uses.
///
/// For tests that stay under their prefix, so that they can run in parallel. Revisions go up by others' changes too.
@discardableResult
func withLiveClient<Result>(_ body: (EtcdClient, Key) async throws -> Result) async throws -> Result {
    let endpoints = try await LiveEtcd.cluster.value.endpoints.joined(separator: ",")
    return try await withEtcdClient(endpoints: endpoints) { client in
        try await body(client, uniquePrefix())
    }
}

/// Lends an etcd of its own to `body`, with a client.
///
/// For tests that compact, read all keys or all leases, or harm the server.
@discardableResult
func withPrivateEtcd<Result>(
    members: Int = 1,
    _ body: (EtcdClient, EtcdCluster) async throws -> Result
) async throws -> Result {
    try await withEtcdCluster(members: members) { cluster in
        try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
            try await body(client, cluster)
        }
    }
}

private func uniquePrefix() -> Key {
    "test-\(String(UInt64.random(in: .min ... .max), radix: 16))/"
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

extension EtcdClient {
    /// How many calls and streams are open on the client's connections.
    var openStreamCount: Int {
        get async { await core.channel.openStreamCount }
    }
}

extension Channel {
    fileprivate var openStreamCount: Int { links.reduce(0) { $0 + $1.connection.openStreamCount } }
}
