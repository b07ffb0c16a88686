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
        try await call("AuthEnable", ())
    }

    /// Makes a user who has a new role of the same name, or the role `role`.
    func addUser(_ name: String, role: String? = nil) async throws {
        try await call("UserAdd", (name, Self.password))
        try await call("RoleAdd", (role ?? name, ""))
        try await call("UserGrantRole", (name, role ?? name))
    }

    /// Lets a role read and write the keys in `range`.
    func grant(_ role: String, _ range: KeyRange) async throws {
        var grant = Grant()
        grant.role = role
        grant.permission.range = range
        let method = GRPCMethod<Grant, Wire.HeaderResponse>("/etcdserverpb.Auth/RoleGrantPermission")
        _ = try await client.call(method, grant)
    }

    private func call(_ method: String, _ arguments: Void) async throws {
        try await call(method, ("", ""))
    }

    private func call(_ method: String, _ arguments: (String, String)) async throws {
        var message = Strings()
        (message.first, message.second) = arguments
        let method = GRPCMethod<Strings, Wire.HeaderResponse>("/etcdserverpb.Auth/\(method)")
        _ = try await client.call(method, message)
    }

    /// A request of up to two strings, as many of this service are.
    private struct Strings: KeylessRequest {
        var first = ""
        var second = ""

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &first)
            try visitor.field(2, &second)
        }
    }

    private struct Grant: KeylessRequest {
        struct Permission: ProtobufMessage {
            struct Kind: ProtobufEnum {
                let rawValue: Int32
            }

            var kind = Kind(rawValue: 2)
            var range = KeyRange.all

            mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
                var (start, end) = (range.start, range.end)
                try visitor.field(1, &kind)
                try visitor.field(2, &start)
                try visitor.field(3, &end)
            }
        }

        var role = ""
        var permission = Permission()

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &role)
            try visitor.field(2, &permission)
        }
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
