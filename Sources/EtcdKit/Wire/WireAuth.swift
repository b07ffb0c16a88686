// SPDX-License-Identifier: Apache-2.0

extension Wire {
    /// It may be repeated: each token that is granted is as good.
    static let authenticate = GRPCMethod<AuthenticateRequest, AuthenticateResponse>(.auth, "Authenticate", isRead: true)
    static let authEnable = GRPCMethod<EmptyRequest, HeaderResponse>(.auth, "AuthEnable")
    static let authDisable = GRPCMethod<EmptyRequest, HeaderResponse>(.auth, "AuthDisable")
    static let authStatus = GRPCMethod<EmptyRequest, AuthStatusResponse>(.auth, "AuthStatus", isRead: true)

    static let userAdd = GRPCMethod<UserAddRequest, HeaderResponse>(.auth, "UserAdd")
    static let userGet = GRPCMethod<NameRequest, NamesResponse>(.auth, "UserGet", isRead: true)
    static let userList = GRPCMethod<EmptyRequest, NamesResponse>(.auth, "UserList", isRead: true)
    static let userDelete = GRPCMethod<NameRequest, HeaderResponse>(.auth, "UserDelete")
    static let userChangePassword = GRPCMethod<AuthenticateRequest, HeaderResponse>(.auth, "UserChangePassword")
    static let userGrantRole = GRPCMethod<UserRoleRequest, HeaderResponse>(.auth, "UserGrantRole")
    static let userRevokeRole = GRPCMethod<UserRoleRequest, HeaderResponse>(.auth, "UserRevokeRole")

    static let roleAdd = GRPCMethod<NameRequest, HeaderResponse>(.auth, "RoleAdd")
    static let roleGet = GRPCMethod<NameRequest, RoleGetResponse>(.auth, "RoleGet", isRead: true)
    static let roleList = GRPCMethod<EmptyRequest, NamesResponse>(.auth, "RoleList", isRead: true)
    static let roleDelete = GRPCMethod<NameRequest, HeaderResponse>(.auth, "RoleDelete")
    static let roleGrantPermission = GRPCMethod<RoleGrantPermissionRequest, HeaderResponse>(
        .auth,
        "RoleGrantPermission"
    )
    static let roleRevokePermission = GRPCMethod<RoleRevokePermissionRequest, HeaderResponse>(
        .auth,
        "RoleRevokePermission"
    )

    /// `AuthenticateRequest` and `AuthUserChangePasswordRequest`: a user and a password.
    struct AuthenticateRequest: KeylessRequest, Hashable {
        var name = ""
        var password = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
            try visitor.field(2, &password)
        }
    }

    struct AuthenticateResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var token = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &token)
        }
    }

    struct AuthStatusResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var isEnabled = false
        var revision: UInt64 = 0

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &isEnabled)
            try visitor.field(3, &revision)
        }
    }

    struct UserAddRequest: KeylessRequest, Hashable {
        var name = ""
        var password = ""
        var options = UserAddOptions()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
            try visitor.field(2, &password)
            try visitor.field(3, &options)
        }
    }

    struct UserAddOptions: ProtobufMessage, Hashable {
        var hasNoPassword = false

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &hasNoPassword)
        }
    }

    /// A request about one user or one role.
    struct NameRequest: KeylessRequest, Hashable {
        var name = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &name)
        }
    }

    /// The names of users or of roles.
    struct NamesResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var names: [String] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &names)
        }
    }

    /// `AuthUserGrantRoleRequest` and `AuthUserRevokeRoleRequest`.
    struct UserRoleRequest: KeylessRequest, Hashable {
        var user = ""
        var role = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &user)
            try visitor.field(2, &role)
        }
    }

    struct RoleGetResponse: KeylessResponse, Hashable {
        var header = ResponseHeader()
        var permissions: [Permission] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &header)
            try visitor.field(2, &permissions)
        }
    }

    struct RoleGrantPermissionRequest: KeylessRequest, Hashable {
        var role = ""
        var permission = Permission()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &role)
            try visitor.field(2, &permission)
        }
    }

    struct RoleRevokePermissionRequest: KeylessRequest, Hashable {
        var role = ""
        var key: [UInt8] = []
        var rangeEnd: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &role)
            try visitor.field(2, &key)
            try visitor.field(3, &rangeEnd)
        }
    }
}

extension Permission: ProtobufMessage {
    mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
        try visitor.field(1, &access)
        try visitor.field(2, &range.start)
        try visitor.field(3, &range.end)
    }
}
