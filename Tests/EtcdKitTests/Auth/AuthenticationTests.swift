// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Auth: switched on and off", .cluster, .timeLimit(.minutes(1)))
struct AuthenticationTests {
    @Test("authentication needs a user root with a role root, and the status shows when it is enabled")
    func enabling() async throws {
        try await withPrivateEtcd { client, cluster in
            await expectError(.rootUserNotFound) { try await client.auth.enable() }
            try await client.auth.users.add("root", password: AuthSetup.password)
            await expectError(.rootRoleNotGranted) { try await client.auth.enable() }
            try await client.auth.roles.add("root")
            try await client.auth.users.grant(role: "root", to: "root")
            let before = try await status(client)
            #expect(before?.isEnabled != true)

            try await client.auth.enable()
            await expectError(.authenticationRequired) { try await client.put("k", "v") }
            try await withEtcdClient(cluster.configuration(user: "root")) { root in
                let after = try await status(root)
                #expect(after?.isEnabled != false)
                try await root.auth.roles.add("other")
                let changed = try await status(root)
                if let after, let changed { #expect(changed.revision > after.revision) }
                // To enable it again changes nothing.
                try await root.auth.enable()
                try await root.auth.disable()
                // The token has no effect now.
                try await root.put("k", "v")
            }
            try await client.put("k", "v")
        }
    }

    /// The state of authentication; nil from a server that does not tell, as before 3.5.
    private func status(_ client: EtcdClient) async throws -> AuthenticationStatus? {
        do throws(EtcdError) {
            return try await client.auth.status()
        } catch {
            #expect(error.code == .unimplemented)
            return nil
        }
    }

    @Test("only root manages users and roles; a user sees what it has itself")
    func permissions() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                #expect(try await alice.auth.users.get("alice").roles == ["alice"])
                let permissions = try await alice.auth.roles.get("alice").permissions
                #expect(permissions == [Permission(.readWrite, .prefix("a/"))])

                let (users, roles) = (alice.auth.users, alice.auth.roles)
                await expectError(.permissionDenied) { try await users.get("root") }
                await expectError(.permissionDenied) { try await users.list() }
                await expectError(.permissionDenied) { try await users.add("bob", password: "x") }
                await expectError(.permissionDenied) { try await users.delete("alice") }
                await expectError(.permissionDenied) { try await users.grant(role: "root", to: "alice") }
                await expectError(.permissionDenied) { try await users.revoke(role: "alice", from: "alice") }
                await expectError(.permissionDenied) { try await users.changePassword(to: "x", of: "root") }
                await expectError(.permissionDenied) { try await roles.get("root") }
                await expectError(.permissionDenied) { try await roles.list() }
                await expectError(.permissionDenied) { try await roles.add("other") }
                await expectError(.permissionDenied) { try await roles.delete("alice") }
                await expectError(.permissionDenied) { try await roles.grant(Permission(.read, .all), to: "alice") }
                await expectError(.permissionDenied) { try await roles.revoke(.prefix("a/"), from: "alice") }
                await expectError(.permissionDenied) { try await alice.auth.disable() }
            }
            // The user and the role root cannot be deleted while authentication is enabled.
            await expectError(.invalidAuthManagement) { try await root.auth.users.delete("root") }
            await expectError(.invalidAuthManagement) { try await root.auth.roles.delete("root") }
            await expectError(.invalidAuthManagement) { try await root.auth.users.revoke(role: "root", from: "root") }
        }
    }

    @Test("each access allows its own operations only", arguments: [Permission.Access.read, .write, .readWrite])
    func access(_ access: Permission.Access) async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await root.auth.roles.grant(Permission(access, .prefix("b/")), to: "alice")
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                if access == .write {
                    await expectError(.permissionDenied) { try await alice.get("b/1") }
                } else {
                    _ = try await alice.get("b/1")
                }
                if access == .read {
                    await expectError(.permissionDenied) { try await alice.put("b/1", "x") }
                } else {
                    try await alice.put("b/1", "x")
                }
                try await root.auth.roles.revoke(.prefix("b/"), from: "alice")
                await expectError(.permissionDenied) { try await alice.get("b/1") }
                await expectError(.permissionDenied) { try await alice.put("b/1", "x") }
            }
        }
    }

    @Test("a client from before authentication gets its token when a call is refused for want of one")
    func enabledLater() async throws {
        try await withEtcdCluster { cluster in
            let log = EventLog()
            var configuration = try cluster.configuration(user: "alice")
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { alice in
                // The client knows that no token is needed.
                try await alice.put("a/1", "before")
                #expect(alice.core.channel.tokens.probableToken == .some(nil))
                let lease = try await alice.leases.grant(timeToLive: .seconds(60))
                try await alice.withWatch(.prefix("a/")) { first in
                    try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                        let setup = AuthSetup(client: client)
                        try await setup.addUser("alice")
                        try await setup.grant("alice", .prefix("a/"))
                        try await setup.enable()
                        // The control: without a token, calls are refused.
                        await expectError(.authenticationRequired) { try await client.get("a/1") }
                    }
                    // A watch is the first to use the token: for a range that is not granted, and for one that is.
                    await expectError(.permissionDenied) { try await alice.withWatch(.prefix("b/")) { _ in } }
                    try await alice.withWatch(.prefix("a/")) { second in
                        try await alice.put("a/1", "after", lease: lease.id)
                        for watch in [first, second] {
                            var events = watch.makeAsyncIterator()
                            #expect(try await events.next()?.entry.value == "after")
                        }
                    }
                    try await alice.leases.keepAliveOnce(lease.id)
                }
                #expect(log.authentications == 1)
            }
            // Many calls at once, each of which is refused at first.
            try await withEtcdClient(cluster.configuration(user: "root")) { root in
                try await root.auth.disable()
                var configuration = try cluster.configuration(user: "alice")
                let log = EventLog()
                log.attach(to: &configuration)
                try await withEtcdClient(configuration) { alice in
                    try await alice.put("a/1", "without")
                    try await root.auth.enable()
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for number in 0..<50 { group.addTask { try await alice.put("a/\(number)", "with") } }
                        try await group.waitForAll()
                    }
                    #expect(log.authentications == 1)
                }
            }
        }
    }

    @Test("a client that changes its own password goes on with the new one; other clients of the user do not")
    func passwordChange() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await withEtcdClient(cluster.configuration(user: "root")) { other in
                try await other.put("k", "v")
                let lease = try await root.leases.grant(timeToLive: .seconds(60))
                try await root.auth.users.changePassword(to: "another", of: "root")
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<20 { group.addTask { try await root.put("k/\(number)", "v") } }
                    try await group.waitForAll()
                }
                try await root.leases.keepAliveOnce(lease.id)
                await expectError(.authenticationFailed) { try await other.put("k", "v") }
            }
            // Another user's password has no effect on this client.
            try await root.auth.users.changePassword(to: "new", of: "alice")
            try await root.put("k", "v")
            var configuration = try cluster.configuration(user: "alice")
            try await withEtcdClient(configuration) { alice in
                await expectError(.authenticationFailed) { try await alice.get("a/1") }
            }
            configuration.credentials = .user("alice", password: "new")
            try await withEtcdClient(configuration) { alice in _ = try await alice.get("a/1") }
        }
    }

    @Test("a user without a password cannot log in with one, and a deleted user not at all")
    func noLogin() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await root.auth.users.addWithoutPassword("machine")
            try await withEtcdClient(cluster.configuration(user: "machine")) { machine in
                await expectError(.authenticationFailed) { try await machine.get("a/1") }
            }
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                _ = try await alice.get("a/1")
                try await root.auth.users.delete("alice")
                await expectError(.authenticationFailed) { try await alice.get("a/1") }
            }
        }
    }
}
