// SPDX-License-Identifier: Apache-2.0

package import EtcdKit
package import EtcdTesting

/// The etcd that the live tests of this process share.
///
/// It is started on first use, and EtcdTesting removes it when the process ends.
package enum LiveEtcd {
    private static let cluster = Task { try await EtcdCluster.start() }

    /// Where it serves clients.
    package static var endpoint: String {
        get async throws { try await cluster.value.endpoints[0] }
    }

    /// A name that no other test uses, for keys of the shared etcd.
    package static func uniqueName() -> Key { "test-\(String(UInt64.random(in: .min ... .max), radix: 16))" }
}

/// Lends an etcd of its own to `body`, with a client.
///
/// For tests that compact, read all keys or all leases, or harm the server.
@discardableResult
package func withPrivateEtcd<Result>(
    members: Int = 1,
    _ body: (EtcdClient, EtcdCluster) async throws -> Result
) async throws -> Result {
    try await withEtcdCluster(members: members) { cluster in
        try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
            try await body(client, cluster)
        }
    }
}
