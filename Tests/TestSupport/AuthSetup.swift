// SPDX-License-Identifier: Apache-2.0

package import EtcdKit
package import EtcdTesting

/// Sets up users and roles of a cluster, with a client that has permission: any before authentication is enabled, and
/// root's afterwards.
package struct AuthSetup {
    /// The password of every user.
    package static let password = "secret"

    private let client: EtcdClient

    package init(client: EtcdClient) { self.client = client }

    /// Makes the user root, and switches authentication on.
    package func enable() async throws {
        try await addUser("root", role: "root")
        try await client.auth.enable()
    }

    /// Makes a user who has a new role of the same name, or the role `role`.
    package func addUser(_ name: String, role: String? = nil) async throws {
        try await client.auth.users.add(name, password: Self.password)
        try await client.auth.roles.add(role ?? name)
        try await client.auth.users.grant(role: role ?? name, to: name)
    }

    /// Lets a role read and write the keys in `range`.
    package func grant(_ role: String, _ range: KeyRange) async throws {
        try await client.auth.roles.grant(Permission(.readWrite, range), to: role)
    }
}

extension EtcdCluster {
    /// The configuration of a client that is a user of ``AuthSetup``.
    package func configuration(user: String) throws -> EtcdClient.Configuration {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.credentials = .user(user, password: AuthSetup.password)
        return configuration
    }
}
