// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Which calls about users, roles, members, locks and elections are repeated when their outcome is unknown.
@Suite("RetryPolicy: administrative calls", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct AdministrationRepetitionTests {
    typealias Operation = @Sendable (EtcdClient) async throws -> Void

    private nonisolated static let reads: [String: Operation] = [
        "AuthStatus": { _ = try await $0.auth.status() },
        "UserGet": { _ = try await $0.auth.users.get("u") },
        "UserList": { _ = try await $0.auth.users.list() },
        "RoleGet": { _ = try await $0.auth.roles.get("r") },
        "RoleList": { _ = try await $0.auth.roles.list() },
        "MemberList": { _ = try await $0.cluster.list() },
        "Leader": { _ = try await $0.electionService.leader(of: "e") },
    ]

    private nonisolated static let writes: [String: Operation] = [
        "AuthEnable": { try await $0.auth.enable() },
        "AuthDisable": { try await $0.auth.disable() },
        "UserAdd": { try await $0.auth.users.add("u", password: "p") },
        "UserDelete": { try await $0.auth.users.delete("u") },
        "UserChangePassword": { try await $0.auth.users.changePassword(to: "p", of: "u") },
        "UserGrantRole": { try await $0.auth.users.grant(role: "r", to: "u") },
        "UserRevokeRole": { try await $0.auth.users.revoke(role: "r", from: "u") },
        "RoleAdd": { try await $0.auth.roles.add("r") },
        "RoleDelete": { try await $0.auth.roles.delete("r") },
        "RoleGrantPermission": { try await $0.auth.roles.grant(Permission(.read, .all), to: "r") },
        "RoleRevokePermission": { try await $0.auth.roles.revoke(.all, from: "r") },
        "MemberAdd": { _ = try await $0.cluster.add(peerURLs: ["http://10.0.0.1:2380"]) },
        "MemberPromote": { try await $0.cluster.promote(Member.ID(rawValue: 1)) },
        "MemberUpdate": { try await $0.cluster.update(Member.ID(rawValue: 1), peerURLs: ["http://10.0.0.1:2380"]) },
        "MemberRemove": { try await $0.cluster.remove(Member.ID(rawValue: 1)) },
        "Lock": { _ = try await $0.lockService.lock("l", lease: .none) },
        "Unlock": { try await $0.lockService.unlock("l") },
        "Campaign": { _ = try await $0.electionService.campaign("e", value: "v", lease: .none) },
        "Proclaim": { try await $0.electionService.proclaim("v", as: ElectedLeader()) },
        "Resign": { try await $0.electionService.resign(ElectedLeader()) },
    ]

    @Test("a read whose call was reset is repeated", arguments: reads.keys.sorted())
    func read(method: String) async throws {
        let operation = try #require(Self.reads[method])
        try await expect(.unavailable, of: operation, method, callCount: 3)
    }

    @Test("a change whose call was reset is not repeated, and its outcome is unknown", arguments: writes.keys.sorted())
    func write(method: String) async throws {
        let operation = try #require(Self.writes[method])
        try await expect(.ambiguous, of: operation, method, callCount: 1)
    }

    @Test("a wait that the server ends at its own deadline, with an unknown text, has an unknown outcome")
    func serverDeadline() async throws {
        let member = try FakeMember()
        member.onCall = { $0.refuse(.unknown, "context deadline exceeded") }
        try await FakeMember.with([member]) { client in
            await expectError(.ambiguous) { try await client.lockService.lock("l", lease: .none) }
            #expect(member.callCount == 1)
        }
    }

    private func expect(
        _ code: EtcdError.Code,
        of operation: @escaping Operation,
        _ method: String,
        callCount: Int
    ) async throws {
        let member = try FakeMember()
        var paths: Set<String> = []
        member.onCall = { exchange in
            paths.insert(exchange.headers[":path"] ?? "")
            exchange.reset(.cancel)
        }
        try await FakeMember.with([member], { $0.retry.maximumAttempts = 3 }) { client in
            await expectError(code) { try await operation(client) }
            #expect(member.callCount == callCount)
            #expect(paths.count == 1 && paths.allSatisfy { $0.hasSuffix("/\(method)") })
        }
    }
}
