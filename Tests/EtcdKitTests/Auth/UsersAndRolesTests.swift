// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Auth: users and roles", .cluster, .timeLimit(.minutes(1)))
struct UsersAndRolesTests {
    private static let password = "s3cret-Password"

    @Test("users are added, seen, given roles and deleted")
    func users() async throws {
        try await withPrivateEtcd { client, _ in
            let users = client.auth.users
            #expect(try await users.list() == [])
            try await users.add("alice", password: Self.password)
            try await users.addWithoutPassword("bob")
            #expect(try await Set(users.list()) == ["alice", "bob"])
            #expect(try await users.get("alice") == User(name: "alice", roles: []))

            for role in ["reader", "writer"] { try await client.auth.roles.add(role) }
            try await users.grant(role: "reader", to: "alice")
            try await users.grant(role: "writer", to: "alice")
            #expect(try await Set(users.get("alice").roles) == ["reader", "writer"])
            try await users.revoke(role: "reader", from: "alice")
            #expect(try await users.get("alice").roles == ["writer"])
            try await client.auth.roles.delete("writer")
            #expect(try await users.get("alice").roles == [])

            try await users.changePassword(to: "other", of: "alice")
            try await users.delete("alice")
            #expect(try await users.list() == ["bob"])
        }
    }

    @Test("roles are added, seen, given permissions and deleted")
    func roles() async throws {
        try await withPrivateEtcd { client, _ in
            let roles = client.auth.roles
            #expect(try await roles.list() == [])
            try await roles.add("role")
            #expect(try await roles.get("role") == Role(name: "role", permissions: []))
            let permissions = [
                Permission(.read, .key("key")), Permission(.write, .prefix("prefix/")),
                Permission(.readWrite, .between("a", "b")), Permission(.read, .from("z")), Permission(.write, .all),
            ]
            for permission in permissions { try await roles.grant(permission, to: "role") }
            #expect(try await Set(roles.get("role").permissions) == Set(permissions))

            // Another access to the same range takes the place of the first.
            try await roles.grant(Permission(.readWrite, .key("key")), to: "role")
            #expect(try await roles.get("role").permissions.contains(Permission(.readWrite, .key("key"))))
            #expect(try await roles.get("role").permissions.count == permissions.count)

            for permission in permissions { try await roles.revoke(permission.range, from: "role") }
            #expect(try await roles.get("role").permissions == [])
            #expect(try await roles.list() == ["role"])
            try await roles.delete("role")
            #expect(try await roles.list() == [])
        }
    }

    @Test("each impossible change is refused with its own code")
    func refusals() async throws {
        try await withPrivateEtcd { client, _ in
            let (users, roles) = (client.auth.users, client.auth.roles)
            try await users.add("alice", password: Self.password)
            try await roles.add("role")

            await expectError(.userExists) { try await users.add("alice", password: Self.password) }
            await expectError(.userExists) { try await users.addWithoutPassword("alice") }
            await expectError(.userNotFound) { try await users.get("nobody") }
            await expectError(.userNotFound) { try await users.delete("nobody") }
            await expectError(.userNotFound) { try await users.changePassword(to: "x", of: "nobody") }
            await expectError(.userNotFound) { try await users.grant(role: "role", to: "nobody") }
            await expectError(.roleNotFound) { try await users.grant(role: "nothing", to: "alice") }
            await expectError(.userNotFound) { try await users.revoke(role: "role", from: "nobody") }
            await expectError(.roleNotGranted) { try await users.revoke(role: "role", from: "alice") }

            await expectError(.roleExists) { try await roles.add("role") }
            await expectError(.roleNotFound) { try await roles.get("nothing") }
            await expectError(.roleNotFound) { try await roles.delete("nothing") }
            await expectError(.roleNotFound) { try await roles.grant(Permission(.read, .all), to: "nothing") }
            await expectError(.roleNotFound) { try await roles.revoke(.all, from: "nothing") }
            await expectError(.permissionNotGranted) { try await roles.revoke(.all, from: "role") }
            // Only what was granted can be revoked, not a part of it.
            try await roles.grant(Permission(.read, .prefix("a")), to: "role")
            await expectError(.permissionNotGranted) { try await roles.revoke(.key("a"), from: "role") }
            // A second grant of a role has no effect.
            try await users.grant(role: "role", to: "alice")
            try await users.grant(role: "role", to: "alice")
            #expect(try await users.get("alice").roles == ["role"])
        }
    }

    @Test("an invalid name, password or range is refused before anything is sent")
    func invalidArguments() async throws {
        // Nobody listens there.
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            let (users, roles) = (client.auth.users, client.auth.roles)
            await expectError(.invalidArgument) { try await users.add("", password: Self.password) }
            await expectError(.invalidArgument) { try await users.add("alice", password: "") }
            await expectError(.invalidArgument) { try await users.addWithoutPassword("") }
            await expectError(.invalidArgument) { try await users.get("") }
            await expectError(.invalidArgument) { try await users.delete("") }
            await expectError(.invalidArgument) { try await users.changePassword(to: "", of: "alice") }
            await expectError(.invalidArgument) { try await users.changePassword(to: Self.password, of: "") }
            await expectError(.invalidArgument) { try await users.grant(role: "", to: "alice") }
            await expectError(.invalidArgument) { try await users.revoke(role: "role", from: "") }
            await expectError(.invalidArgument) { try await roles.add("") }
            await expectError(.invalidArgument) { try await roles.get("") }
            await expectError(.invalidArgument) { try await roles.delete("") }
            await expectError(.invalidArgument) { try await roles.grant(Permission(.read, .all), to: "") }
            for range in [KeyRange.key(""), .between("b", "a")] {
                await expectError(.invalidArgument) { try await roles.grant(Permission(.read, range), to: "role") }
                await expectError(.invalidArgument) { try await roles.revoke(range, from: "role") }
            }
        }
    }

    @Test("the description of a permission names its kind and its range")
    func descriptions() {
        #expect("\(Permission(.read, .prefix("a/")))" == "read prefix a/")
        #expect("\(Permission(.readWrite, .all))" == "read and write all keys")
        #expect("\(Permission(Permission.Access(rawValue: 9), .key("k")))" == "access 9 key k")
    }

    @Test("errors and events do not contain a password")
    func secrets() async throws {
        try await withEtcdCluster { cluster in
            let log = EventLog()
            try await withEtcdClient(log.configuration(cluster.endpoints)) { client in
                let users = client.auth.users
                try await users.add("alice", password: Self.password)
                var texts: [String] = []
                let attempts: [() async throws -> Void] = [
                    { try await users.add("alice", password: Self.password) },
                    { try await users.changePassword(to: Self.password, of: "nobody") },
                    { try await users.changePassword(to: Self.password, of: "") },
                    { try await client.with(timeout: .zero).auth.users.add("bob", password: Self.password) },
                ]
                for attempt in attempts {
                    let error = await #expect(throws: EtcdError.self) { try await attempt() }
                    texts += [String(describing: error), String(reflecting: error)]
                }
                texts += ["\(log.events)", "\(try await users.get("alice"))"]
                for text in texts { #expect(!text.contains(Self.password)) }
                #expect(texts.contains { $0.contains("UserAdd") })
            }
        }
    }
}
