// SPDX-License-Identifier: Apache-2.0

import EtcdTesting

@testable import EtcdKit

/// Sets up users and roles of a cluster, with a client that may (any, before authentication is enabled; root's, after).
struct AuthSetup {
    /// The password of every user.
    static let password = "secret"

    let client: EtcdClient

    /// Makes the user root, and switches authentication on.
    func enable() async throws {
        try await addUser("root", role: "root")
        try await client.auth.enable()
    }

    /// Makes a user who has a new role of the same name, or the role `role`.
    func addUser(_ name: String, role: String? = nil) async throws {
        try await client.auth.users.add(name, password: Self.password)
        try await client.auth.roles.add(role ?? name)
        try await client.auth.users.grant(role: role ?? name, to: name)
    }

    /// Lets a role read and write the keys in `range`.
    func grant(_ role: String, _ range: KeyRange) async throws {
        try await client.auth.roles.grant(Permission(.readWrite, range), to: role)
    }
}

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

extension EtcdCluster {
    /// The configuration of a client that is a user of ``AuthSetup``.
    func configuration(user: String) throws -> EtcdClient.Configuration {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.credentials = .user(user, password: AuthSetup.password)
        return configuration
    }
}
