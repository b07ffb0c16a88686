// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Switches authentication on and off, and manages users and roles.
    public var auth: Authentication { Authentication(client: self) }
}

/// The authentication of a cluster: users with roles, and roles with permissions.
///
/// ```swift
/// try await client.auth.users.add("root", password: password)
/// try await client.auth.roles.add("root")
/// try await client.auth.users.grant(role: "root", to: "root")
/// try await client.auth.enable()
/// ```
///
/// Once it is enabled, only users with the role `root` may call these methods; other users may read their own user and
/// roles. A change of users or roles whose outcome is unknown throws `ambiguous`: look before you repeat it.
public struct Authentication: Sendable {
    let client: EtcdClient

    /// The users.
    public var users: Users { Users(client: client) }
    /// The roles.
    public var roles: Roles { Roles(client: client) }

    /// Switches authentication on.
    ///
    /// From then on each call needs a user. An existing client with ``Credentials`` gets its token when its next call
    /// is refused, and continues; one without credentials fails with `authenticationRequired`. Enabling it again
    /// changes nothing.
    ///
    /// - Throws: ``EtcdError``, among its codes `rootUserNotFound` and `rootRoleNotGranted`: there has to be a user `root`
    ///   with a role `root`.
    public func enable() async throws(EtcdError) {
        _ = try await client.call(Wire.authEnable, Wire.EmptyRequest())
    }

    /// Switches authentication off: each client that reaches the cluster may do everything.
    ///
    /// Users and roles stay as they are.
    ///
    /// - Throws: ``EtcdError``, among its codes `permissionDenied`.
    public func disable() async throws(EtcdError) {
        _ = try await client.call(Wire.authDisable, Wire.EmptyRequest())
    }

    /// Asks whether authentication is enabled.
    ///
    /// - Returns: The state of authentication.
    /// - Throws: ``EtcdError``, among its codes `unimplemented`: etcd has this method from 3.5 on.
    public func status() async throws(EtcdError) -> AuthenticationStatus {
        let response = try await client.call(Wire.authStatus, Wire.EmptyRequest())
        return AuthenticationStatus(isEnabled: response.isEnabled, revision: response.revision)
    }
}

/// Whether a cluster has authentication.
public struct AuthenticationStatus: Sendable, Hashable {
    /// Calls need a user.
    public let isEnabled: Bool
    /// How often users, roles and their permissions have changed.
    public let revision: UInt64
}

extension Authentication {
    /// Refuses what is empty: for an empty name, etcd has the same words as for a call without a user.
    static func check(user: String? = nil, role: String? = nil, password: String? = nil) throws(EtcdError) {
        for (text, name) in [(user, "name of the user"), (role, "name of the role"), (password, "password")]
        where text?.isEmpty == true {
            throw EtcdError(.invalidArgument, "the \(name) is empty")
        }
    }
}
