// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The messages of the Auth service.
let authMessages: [String: any VectorMessage.Type] = [
    "authpb.UserAddOptions": Wire.UserAddOptions.self,
    "authpb.Permission": Permission.self,
    "etcdserverpb.AuthenticateRequest": Wire.AuthenticateRequest.self,
    "etcdserverpb.AuthenticateResponse": Wire.AuthenticateResponse.self,
    "etcdserverpb.AuthEnableRequest": Wire.EmptyRequest.self,
    "etcdserverpb.AuthEnableResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthDisableRequest": Wire.EmptyRequest.self,
    "etcdserverpb.AuthDisableResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthStatusRequest": Wire.EmptyRequest.self,
    "etcdserverpb.AuthStatusResponse": Wire.AuthStatusResponse.self,
    "etcdserverpb.AuthUserAddRequest": Wire.UserAddRequest.self,
    "etcdserverpb.AuthUserAddResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthUserGetRequest": Wire.NameRequest.self,
    "etcdserverpb.AuthUserGetResponse": Wire.NamesResponse.self,
    "etcdserverpb.AuthUserListRequest": Wire.EmptyRequest.self,
    "etcdserverpb.AuthUserListResponse": Wire.NamesResponse.self,
    "etcdserverpb.AuthUserDeleteRequest": Wire.NameRequest.self,
    "etcdserverpb.AuthUserDeleteResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthUserChangePasswordRequest": Wire.AuthenticateRequest.self,
    "etcdserverpb.AuthUserChangePasswordResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthUserGrantRoleRequest": Wire.UserRoleRequest.self,
    "etcdserverpb.AuthUserGrantRoleResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthUserRevokeRoleRequest": Wire.UserRoleRequest.self,
    "etcdserverpb.AuthUserRevokeRoleResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthRoleAddRequest": Wire.NameRequest.self,
    "etcdserverpb.AuthRoleAddResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthRoleGetRequest": Wire.NameRequest.self,
    "etcdserverpb.AuthRoleGetResponse": Wire.RoleGetResponse.self,
    "etcdserverpb.AuthRoleListRequest": Wire.EmptyRequest.self,
    "etcdserverpb.AuthRoleListResponse": Wire.NamesResponse.self,
    "etcdserverpb.AuthRoleDeleteRequest": Wire.NameRequest.self,
    "etcdserverpb.AuthRoleDeleteResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthRoleGrantPermissionRequest": Wire.RoleGrantPermissionRequest.self,
    "etcdserverpb.AuthRoleGrantPermissionResponse": Wire.HeaderResponse.self,
    "etcdserverpb.AuthRoleRevokePermissionRequest": Wire.RoleRevokePermissionRequest.self,
    "etcdserverpb.AuthRoleRevokePermissionResponse": Wire.HeaderResponse.self,
]

extension Wire.AuthenticateRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &name)
        try fields.take("password", &password)
    }
}

extension Wire.AuthenticateResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("token", &token)
    }
}

extension Wire.AuthStatusResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("enabled", &isEnabled)
        try fields.take("authRevision", &revision)
    }
}

extension Wire.UserAddRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &name)
        try fields.take("password", &password)
        try fields.take("options", &options)
    }
}

extension Wire.UserAddOptions: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("no_password", &hasNoPassword)
    }
}

extension Wire.NameRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &name)
        try fields.take("role", &name)
    }
}

extension Wire.NamesResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("users", &names)
        try fields.take("roles", &names)
    }
}

extension Wire.UserRoleRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("user", &user)
        try fields.take("name", &user)
        try fields.take("role", &role)
    }
}

extension Wire.RoleGetResponse: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("header", &header)
        try fields.take("perm", &permissions)
    }
}

extension Wire.RoleGrantPermissionRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("name", &role)
        try fields.take("perm", &permission)
    }
}

extension Wire.RoleRevokePermissionRequest: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("role", &role)
        try fields.take("key", &key)
        try fields.take("range_end", &rangeEnd)
    }
}

extension Permission: VectorMessage {
    mutating func setFields(from fields: inout VectorFields) throws {
        try fields.take("permType", &access)
        try fields.take("key", &range.start)
        try fields.take("range_end", &range.end)
    }
}
