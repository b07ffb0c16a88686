// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// Lends a cluster with authentication, and a user `worker` with a role of that name, to `body`: with clients of root and of
/// the user.
func withAuthenticatingEtcd(
    _ permissions: [Permission],
    _ body: (_ root: EtcdClient, _ worker: EtcdClient) async throws -> Void
) async throws {
    try await withEtcdCluster { cluster in
        try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
            let setup = AuthSetup(client: client)
            try await setup.addUser("worker")
            for permission in permissions { try await client.auth.roles.grant(permission, to: "worker") }
            try await setup.enable()
        }
        try await withEtcdClient(cluster.configuration(user: "root")) { root in
            try await withEtcdClient(cluster.configuration(user: "worker")) { worker in try await body(root, worker) }
        }
    }
}
