// SPDX-License-Identifier: Apache-2.0

/// The roles of a cluster's users.
///
/// Users with the role `root` may do everything, independently of the permissions of that role.
public struct Roles: Sendable {
    let client: EtcdClient

    /// Adds a role without permissions.
    ///
    /// - Parameter name: The name of the role.
    /// - Throws: ``EtcdError``, among its codes `roleExists` and, for an empty name, `invalidArgument`.
    public func add(_ name: String) async throws(EtcdError) {
        try Authentication.check(role: name)
        _ = try await client.call(Wire.roleAdd, Wire.NameRequest(name: name))
    }

    /// Looks at a role.
    ///
    /// - Parameter name: The name of the role.
    /// - Returns: The role and its permissions.
    /// - Throws: ``EtcdError``, among its codes `roleNotFound`.
    public func get(_ name: String) async throws(EtcdError) -> Role {
        try Authentication.check(role: name)
        let response = try await client.call(Wire.roleGet, Wire.NameRequest(name: name))
        return Role(name: name, permissions: response.permissions)
    }

    /// Lists all roles.
    ///
    /// - Returns: Their names.
    /// - Throws: ``EtcdError``.
    public func list() async throws(EtcdError) -> [String] {
        try await client.call(Wire.roleList, Wire.EmptyRequest()).names
    }

    /// Deletes a role, and takes it from all users.
    ///
    /// - Parameter name: The name of the role.
    /// - Throws: ``EtcdError``, among its codes `roleNotFound`, and `invalidAuthManagement` for `root` while authentication
    ///   is enabled.
    public func delete(_ name: String) async throws(EtcdError) {
        try Authentication.check(role: name)
        _ = try await client.call(Wire.roleDelete, Wire.NameRequest(name: name))
    }

    /// Gives a role a permission.
    ///
    /// It replaces the role's permission for exactly the same range, if there is one.
    ///
    /// - Parameters:
    ///   - permission: The operations, and the keys that they are permitted for.
    ///   - role: The name of the role.
    /// - Throws: ``EtcdError``, among its codes `roleNotFound` and, for a range without keys, `invalidArgument`.
    public func grant(_ permission: Permission, to role: String) async throws(EtcdError) {
        try Authentication.check(role: role)
        try check(permission.range)
        let request = Wire.RoleGrantPermissionRequest(role: role, permission: permission)
        _ = try await client.call(Wire.roleGrantPermission, request)
    }

    /// Takes the permission for exactly this range from a role.
    ///
    /// A part of a range that was granted cannot be revoked.
    ///
    /// - Parameters:
    ///   - range: The keys, as they were granted.
    ///   - role: The name of the role.
    /// - Throws: ``EtcdError``, among its codes `roleNotFound`, `permissionNotGranted` and, for a range without keys,
    ///   `invalidArgument`.
    public func revoke(_ range: KeyRange, from role: String) async throws(EtcdError) {
        try Authentication.check(role: role)
        try check(range)
        let request = Wire.RoleRevokePermissionRequest(role: role, key: range.start, rangeEnd: range.end)
        _ = try await client.call(Wire.roleRevokePermission, request)
    }

    private func check(_ range: KeyRange) throws(EtcdError) {
        if range.isEmpty { throw EtcdError(.invalidArgument, "a permission for no keys") }
    }
}

/// A role of a cluster's users.
public struct Role: Sendable, Hashable {
    /// The name.
    public let name: String
    /// The permissions of the users with the role.
    public let permissions: [Permission]
}
