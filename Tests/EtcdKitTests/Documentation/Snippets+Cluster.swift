// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Users, members, maintenance, etcd's own locks and elections.
extension Snippets {
    static func users(_ client: EtcdClient, password: String, rootPassword: String) async throws {
        try await client.auth.users.add("root", password: rootPassword)
        try await client.auth.roles.add("root")
        try await client.auth.users.grant(role: "root", to: "root")
        try await client.auth.roles.add("jobs")
        try await client.auth.roles.grant(Permission(.readWrite, .prefix("jobs/")), to: "jobs")
        try await client.auth.users.add("worker", password: password)
        try await client.auth.users.grant(role: "jobs", to: "worker")
        try await client.auth.enable()
    }

    struct Vault: Sendable {
        func token(for user: String) async throws -> (text: String, lifetime: Duration) { (user, .seconds(60)) }
    }

    static func provider(_ configuration: inout EtcdClient.Configuration, _ vault: Vault) {
        configuration.credentials = .provider {
            let token = try await vault.token(for: "worker")
            return .token(token.text, validFor: token.lifetime)
        }
    }

    static func credentials(_ endpoints: String, password: String) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.credentials = .user("worker", password: password)
        try await withEtcdClient(configuration) { client in
            print("put at revision", try await client.put("jobs/1", "mine").header.revision)
        }
    }

    static func administration(_ root: EtcdClient, newPassword: String) async throws {
        for name in try await root.auth.users.list() {
            print(name, "has the roles", try await root.auth.users.get(name).roles)
        }
        print("who has jobs may", try await root.auth.roles.get("jobs").permissions)
        try await root.auth.users.changePassword(to: newPassword, of: "worker")
        try await root.auth.roles.revoke(.prefix("jobs/"), from: "jobs")
        try await root.auth.users.revoke(role: "jobs", from: "worker")
        try await root.auth.users.delete("worker")
    }

    static func learner(_ client: EtcdClient) async throws {
        let (learner, members) = try await client.cluster.add(peerURLs: ["http://10.0.0.4:2380"], isLearner: true)
        print("start", learner.id, "now; the others are at", members.flatMap(\.peerURLs))
        // … and when it has caught up:
        try await client.cluster.promote(learner.id)
    }

    static func members(_ client: EtcdClient) async throws {
        for member in try await client.cluster.list() where !member.isStarted {
            try await client.cluster.remove(member.id)
        }
    }

    static func status(_ client: EtcdClient) async throws {
        for endpoint in await client.endpoints {
            let status = try await client.maintenance.status(of: endpoint)
            print(endpoint, "has", status.version, status.isLeader ? "and leads" : "and follows", status.errors)
            if status.databaseSize > 2 * status.databaseSizeInUse {
                try await client.with(timeout: .seconds(60)).maintenance.defragment(endpoint)
            }
        }
        for alarm in try await client.maintenance.alarms() where alarm.kind == .noSpace {
            try await client.maintenance.disarm(alarm)
        }
    }

    static func hashes(_ client: EtcdClient) async throws {
        let revision = try await client.range(.key("any")).header.revision
        var hashes: Set<UInt32> = []
        for endpoint in await client.endpoints {
            hashes.insert(try await client.maintenance.keyValueHash(of: endpoint, at: revision).hash)
        }
        print(hashes.count == 1 ? "all members have the same" : "the members differ")
    }

    static func leader(_ client: EtcdClient, _ member: Member) async throws {
        try await client.maintenance.moveLeader(to: member.id)
    }

    static func downgrade(_ client: EtcdClient) async throws {
        try await client.maintenance.validateDowngrade(to: "3.5")
        try await client.maintenance.enableDowngrade(to: "3.5")
    }

    static func snapshot(_ client: EtcdClient, _ endpoint: Endpoint, to path: String) async throws {
        try await client.maintenance.snapshot(from: endpoint, to: path) { progress in
            print(progress.bytesReceived, "of", progress.bytesTotal, "bytes")
        }
    }

    static func snapshotChunks(
        _ client: EtcdClient,
        _ endpoint: Endpoint,
        _ upload: ([UInt8]) async throws -> Void
    ) async throws {
        for try await chunk in client.maintenance.snapshotChunks(from: endpoint) {
            try await upload(chunk.bytes)
        }
    }

    static func lock(_ client: EtcdClient, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let patient = client.with(timeout: .seconds(60))
        try await client.withLease(timeToLive: .seconds(10)) { lease in
            let key = try await patient.lockService.lock("reports", lease: lease.id)
            try await work()
            try await client.lockService.unlock(key)
        }
    }

    static func election(_ client: EtcdClient, _ work: @escaping @Sendable () async throws -> Void) async throws {
        try await client.withLease(timeToLive: .seconds(10)) { lease in
            let leader = try await client.electionService.campaign("scheduler", value: "me", lease: lease.id)
            try await work()
            try await client.electionService.proclaim("me, still", as: leader)
            try await client.electionService.resign(leader)
        }
    }

    static func observation(_ client: EtcdClient) async throws {
        for try await leader in client.electionService.observe("scheduler") {
            print("led by", leader.value)
        }
    }
}
