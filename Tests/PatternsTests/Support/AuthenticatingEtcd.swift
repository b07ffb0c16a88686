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
            for (user, role) in [("root", "root"), ("worker", "worker")] {
                try await client.auth.users.add(user, password: "secret")
                try await client.auth.roles.add(role)
                try await client.auth.users.grant(role: role, to: user)
            }
            for permission in permissions { try await client.auth.roles.grant(permission, to: "worker") }
            try await client.auth.enable()
        }
        func configuration(_ user: String) throws -> EtcdClient.Configuration {
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .user(user, password: "secret")
            return configuration
        }
        try await withEtcdClient(try configuration("root")) { root in
            try await withEtcdClient(try configuration("worker")) { worker in try await body(root, worker) }
        }
    }
}
