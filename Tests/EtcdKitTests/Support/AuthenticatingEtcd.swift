// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// Lends a cluster with authentication and a user `alice`, who may use the keys under `a/`, to `body`, with root's client.
@discardableResult
func withAuthenticatingEtcd<Result>(
    _ arguments: [String] = [],
    members: Int = 1,
    _ body: (EtcdClient, EtcdCluster) async throws -> Result
) async throws -> Result {
    let options = EtcdCluster.Options(memberCount: members, extraArguments: arguments)
    return try await withEtcdCluster(options) { cluster in
        try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
            let setup = AuthSetup(client: client)
            try await setup.addUser("alice")
            try await setup.grant("alice", .prefix("a/"))
            try await setup.enable()
        }
        return try await withEtcdClient(cluster.configuration(user: "root")) { root in
            try await body(root, cluster)
        }
    }
}
