// SPDX-License-Identifier: Apache-2.0

/// The users of a cluster.
public struct Users: Sendable {
    let client: EtcdClient

    /// Adds a user with a password.
    ///
    /// - Parameters:
    ///   - name: The name of the user.
    ///   - password: The password; etcd uses up to 72 bytes of it.
    /// - Throws: ``EtcdError``, among its codes `userExists` and, for an empty name or password, `invalidArgument`.
    public func add(_ name: String, password: String) async throws(EtcdError) {
        try Authentication.check(user: name, password: password)
        _ = try await client.call(Wire.userAdd, Wire.UserAddRequest(name: name, password: password))
    }

    /// Adds a user without a password, who is identified by the common name of a client certificate.
    ///
    /// - Parameter name: The name of the user.
    /// - Throws: ``EtcdError``, among its codes `userExists` and, for an empty name, `invalidArgument`.
    public func addWithoutPassword(_ name: String) async throws(EtcdError) {
        try Authentication.check(user: name)
        let options = Wire.UserAddOptions(hasNoPassword: true)
        _ = try await client.call(Wire.userAdd, Wire.UserAddRequest(name: name, options: options))
    }

    /// Looks at a user.
    ///
    /// - Parameter name: The name of the user.
    /// - Returns: The user and the names of the roles.
    /// - Throws: ``EtcdError``, among its codes `userNotFound`.
    public func get(_ name: String) async throws(EtcdError) -> User {
        try Authentication.check(user: name)
        return User(name: name, roles: try await client.call(Wire.userGet, Wire.NameRequest(name: name)).names)
    }

    /// Lists all users.
    ///
    /// - Returns: Their names.
    /// - Throws: ``EtcdError``.
    public func list() async throws(EtcdError) -> [String] {
        try await client.call(Wire.userList, Wire.EmptyRequest()).names
    }

    /// Deletes a user, whose tokens are no longer accepted.
    ///
    /// - Parameter name: The name of the user.
    /// - Throws: ``EtcdError``, among its codes `userNotFound`, and `invalidAuthManagement` for `root` while authentication
    ///   is enabled.
    public func delete(_ name: String) async throws(EtcdError) {
        try Authentication.check(user: name)
        _ = try await client.call(Wire.userDelete, Wire.NameRequest(name: name))
    }

    /// Gives a user another password; tokens that were granted for the old one are no longer accepted.
    ///
    /// If the user is the one of this client's ``Credentials``, the client uses the new password from then on. Other
    /// clients of the user fail with `authenticationFailed` from then on.
    ///
    /// - Parameters:
    ///   - password: The new password; etcd uses up to 72 bytes of it.
    ///   - name: The name of the user.
    /// - Throws: ``EtcdError``, among its codes `userNotFound` and, for an empty name or password, `invalidArgument`.
    public func changePassword(to password: String, of name: String) async throws(EtcdError) {
        try Authentication.check(user: name, password: password)
        let request = Wire.AuthenticateRequest(name: name, password: password)
        _ = try await client.call(Wire.userChangePassword, request)
        await client.core.channel.tokens.passwordChanged(to: password, of: name)
    }

    /// Gives a user a role; does nothing if the user has it.
    ///
    /// - Parameters:
    ///   - role: The name of the role.
    ///   - user: The name of the user.
    /// - Throws: ``EtcdError``, among its codes `userNotFound` and `roleNotFound`.
    public func grant(role: String, to user: String) async throws(EtcdError) {
        try Authentication.check(user: user, role: role)
        _ = try await client.call(Wire.userGrantRole, Wire.UserRoleRequest(user: user, role: role))
    }

    /// Takes a role from a user.
    ///
    /// - Parameters:
    ///   - role: The name of the role.
    ///   - user: The name of the user.
    /// - Throws: ``EtcdError``, among its codes `userNotFound`, `roleNotGranted`, and `invalidAuthManagement` for the role
    ///   `root` of the user `root` while authentication is enabled.
    public func revoke(role: String, from user: String) async throws(EtcdError) {
        try Authentication.check(user: user, role: role)
        _ = try await client.call(Wire.userRevokeRole, Wire.UserRoleRequest(user: user, role: role))
    }
}

/// A user of a cluster.
public struct User: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The names of the roles.
    public let roles: [String]
}
