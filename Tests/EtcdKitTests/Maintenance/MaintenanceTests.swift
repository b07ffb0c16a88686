// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// Every method of the service, on a real etcd; snapshots have their own suites.
@Suite("Maintenance", .cluster, .timeLimit(.minutes(2)))
struct MaintenanceTests {
    @Test("each endpoint reports the status of its member")
    func status() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            let revision = try await client.put("k", Value(String(repeating: "x", count: 100_000))).header.revision
            var members: Set<Member.ID> = []
            var leaders: [MemberStatus] = []
            for endpoint in await client.endpoints {
                var status = try await client.maintenance.status(of: endpoint)
                try await eventually("the member has the put") {
                    status = try await client.maintenance.status(of: endpoint)
                    return status.header.revision == revision
                }
                #expect(status.version.hasPrefix("3."))
                #expect(status.databaseSize > 0 && status.databaseSizeInUse > 0)
                #expect(status.databaseSizeInUse <= status.databaseSize)
                #expect(status.raftIndex > 0 && status.raftAppliedIndex > 0 && status.raftTerm > 0)
                #expect(status.errors == [] && !status.isLearner && status.downgradeTarget == nil)
                members.insert(status.header.memberID)
                if status.isLeader { leaders.append(status) }
            }
            #expect(members.count == 3)
            #expect(leaders.count == 1)
        }
    }

    @Test("a full database is a typed error and an alarm, and accepts writes again once the alarm is disarmed")
    func noSpace() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--quota-backend-bytes=\(4 << 20)"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                let maintenance = client.maintenance
                let endpoint = try #require(await client.endpoints.first)
                #expect(try await maintenance.alarms() == [])
                let value = Value(String(repeating: "x", count: 500_000))
                await expectError(.noSpace) {
                    for _ in 0..<200 { try await client.put("k", value) }
                }
                await expectError(.noSpace) { try await client.put("small", "x") }
                let status = try await maintenance.status(of: endpoint)
                #expect(status.errors.contains { $0.contains("NOSPACE") })
                let alarm = Alarm(.noSpace, of: status.header.memberID)
                #expect(try await maintenance.alarms() == [alarm])

                try await client.compact(at: status.header.revision, physical: true)
                try await maintenance.defragment(endpoint)
                let after = try await maintenance.status(of: endpoint)
                #expect(after.databaseSize < status.databaseSize)
                await expectError(.noSpace) { try await client.put("k", "the alarm is still on") }
                try await maintenance.disarm(alarm)
                #expect(try await maintenance.alarms() == [])
                try await client.put("k", "new")
                try await maintenance.disarm(alarm)
            }
        }
    }

    @Test("all alarms are disarmed at once; those of unknown members are typed errors")
    func disarm() async throws {
        try await withPrivateEtcd { client, _ in
            let maintenance = client.maintenance
            let endpoint = try #require(await client.endpoints.first)
            let member = try await maintenance.status(of: endpoint).header.memberID
            for kind in [Alarm.Kind.noSpace, .corrupt] {
                var request = Wire.AlarmRequest()
                request.action = Wire.AlarmRequest.Action(rawValue: 1)
                request.memberID = member.rawValue
                request.kind = kind
                _ = try await client.call(Wire.alarm, request)
            }
            let raised: Set = [Alarm(.noSpace, of: member), Alarm(.corrupt, of: member)]
            #expect(Set(try await maintenance.alarms()) == raised)
            #expect(Set(try await maintenance.disarmAll()) == raised)
            #expect(try await maintenance.alarms() == [])
            #expect(try await maintenance.disarmAll() == [])
            let unknown = Member.ID(rawValue: member.rawValue &+ 1)
            await expectError(.memberNotFound) { try await maintenance.disarm(Alarm(.noSpace, of: unknown)) }
        }
    }

    @Test("members that have the same data have the same hash, and another for each revision")
    func hashes() async throws {
        try await withPrivateEtcd(members: 3) { client, _ in
            let maintenance = client.maintenance
            let first = try await client.put("k", "1").header.revision
            let second = try await client.put("k", "2").header.revision
            let endpoints = await client.endpoints
            for endpoint in endpoints {
                try await eventually("the member has both") {
                    try await maintenance.status(of: endpoint).header.revision == second
                }
            }
            var hashes: [Set<UInt32>] = [[], [], []]
            for endpoint in endpoints {
                hashes[0].insert(try await maintenance.keyValueHash(of: endpoint, at: first).hash)
                hashes[1].insert(try await maintenance.keyValueHash(of: endpoint, at: second).hash)
                let newest = try await maintenance.keyValueHash(of: endpoint)
                #expect(newest.header.revision == second)
                hashes[2].insert(newest.hash)
                #expect(try await maintenance.hash(of: endpoint) != 0)
            }
            #expect(hashes.allSatisfy { $0.count == 1 })
            #expect(hashes[1] == hashes[2] && hashes[0] != hashes[1])
            await expectError(.futureRevision) {
                try await maintenance.keyValueHash(of: endpoints[0], at: Revision(rawValue: second.rawValue + 100))
            }
            try await client.compact(at: second, physical: true)
            try await eventually("the member that is asked has compacted too") {
                try await maintenance.keyValueHash(of: endpoints[0]).compactRevision == second
            }
            await expectError(.compacted) { try await maintenance.keyValueHash(of: endpoints[0], at: first) }
        }
    }

    @Test("the leader is found and moved; a follower refuses to move it")
    func moveLeader() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            let maintenance = client.maintenance
            var endpoints: [Member.ID: Endpoint] = [:]
            for endpoint in await client.endpoints {
                endpoints[try await maintenance.status(of: endpoint).header.memberID] = endpoint
            }
            let known = try #require(await client.endpoints.first)
            var leader = try #require(try await maintenance.status(of: known).leader)
            for round in 0..<3 {
                let next = try #require(endpoints.keys.first { $0 != leader })
                try await maintenance.moveLeader(to: next, from: round == 0 ? endpoints[leader] : nil)
                for endpoint in endpoints.values {
                    try await eventually("all know the leader") {
                        try await maintenance.status(of: endpoint).leader == next
                    }
                }
                leader = next
            }
            let follower = try #require(endpoints.first { $0.key != leader })
            await expectError(.notLeader) { try await maintenance.moveLeader(to: follower.key, from: follower.value) }
            await expectError(.badLeaderTransferee) { try await maintenance.moveLeader(to: Member.ID(rawValue: 12345)) }

            // A client that knows only a follower finds the leader by the list of members.
            try await withEtcdClient(endpoints: follower.value.description) { client in
                try await client.maintenance.moveLeader(to: follower.key)
                #expect(try await maintenance.status(of: follower.value).isLeader)
            }
        }
    }

    @Test("a downgrade is validated, enabled and cancelled; etcd 3.4 does not have it")
    func downgrade() async throws {
        try await withPrivateEtcd { client, _ in
            let maintenance = client.maintenance
            let endpoint = try #require(await client.endpoints.first)
            let server = try await client.serverVersion
            if server < ServerVersion(3, 5) {
                await expectError(.unimplemented) { try await maintenance.validateDowngrade(to: "3.3") }
                await expectError(.unimplemented) { try await maintenance.enableDowngrade(to: "3.3") }
                await expectError(.unimplemented) { try await maintenance.cancelDowngrade() }
                return
            }
            let target = "\(server.major).\(server.minor - 1)"
            var version = ""
            try await eventually("the cluster has settled on a version") {
                do throws(EtcdError) {
                    version = try await maintenance.validateDowngrade(to: target)
                    return true
                } catch {
                    // Its first version is 3.0.
                    if [.clusterVersionUnavailable, .invalidDowngradeVersion].contains(error.code) { return false }
                    throw error
                }
            }
            #expect(version.hasPrefix("\(server.major).\(server.minor)."))
            for bad in ["3.0", "4.0", "next", ""] {
                await expectError(.invalidDowngradeVersion) { try await maintenance.validateDowngrade(to: bad) }
            }
            if server < ServerVersion(3, 6) {
                await expectError(.noDowngradeInProgress) { try await maintenance.cancelDowngrade() }
                // etcd 3.5 does it, but never answers.
                await expectError(.ambiguous) { try await maintenance.enableDowngrade(to: target) }
                await expectError(.downgradeInProgress) { try await maintenance.enableDowngrade(to: target) }
                await expectError(.ambiguous) { try await maintenance.cancelDowngrade() }
                await expectError(.noDowngradeInProgress) { try await maintenance.cancelDowngrade() }
            } else {
                try await maintenance.cancelDowngrade()
                try await maintenance.enableDowngrade(to: target)
                #expect(try await maintenance.status(of: endpoint).downgradeTarget?.hasPrefix(target) == true)
                let repeated = await #expect(throws: EtcdError.self) {
                    try await maintenance.enableDowngrade(to: target)
                }
                // Once the cluster has the target version, the target is not one version below it any more.
                let codes: [EtcdError.Code] = [.downgradeInProgress, .invalidDowngradeVersion]
                #expect(repeated.map { codes.contains($0.code) } == true)
                try await maintenance.cancelDowngrade()
                #expect(try await maintenance.status(of: endpoint).downgradeTarget == nil)
                try await maintenance.cancelDowngrade()
            }
            try await client.put("k", "still here")
        }
    }

    @Test("the messages of a downgrade, and the status during one, are those of etcd 3.6")
    @EventLoop
    func downgradeMessages() async throws {
        var seen: [Wire.DowngradeRequest] = []
        let server = try FakeServer { exchange in
            if exchange.headers[":path"] == Wire.status.path {
                var status = MemberStatus()
                status.storageVersion = "3.6.0"
                status.databaseQuota = 2 << 30
                status.downgrade = Wire.DowngradeInfo(isEnabled: true, targetVersion: "3.5.0")
                return exchange.answer(with: status)
            }
            seen += exchange.takeMessages(Wire.DowngradeRequest.self)
            exchange.answer(with: Wire.DowngradeResponse(version: "3.6.0"))
        }
        let client = try server.client()
        #expect(try await client.maintenance.validateDowngrade(to: "3.5") == "3.6.0")
        #expect(try await client.maintenance.enableDowngrade(to: "3.5") == "3.6.0")
        #expect(try await client.maintenance.cancelDowngrade() == "3.6.0")
        #expect(seen.map(\.action) == [.validate, .enable, .cancel])
        #expect(seen.map(\.version) == ["3.5", "3.5", ""])
        let status = try await client.maintenance.status(of: Endpoint(server.address))
        #expect(status.downgradeTarget == "3.5.0")
        #expect(status.databaseQuota == 2 << 30 && status.storageVersion == "3.6.0")
        await client.close()
        server.stop()
    }

    @Test("a user's token goes with the calls; a user other than root is refused")
    func authentication() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            let endpoint = try #require(await root.endpoints.first)
            #expect(try await root.maintenance.status(of: endpoint).leader != nil)
            try await root.maintenance.defragment(endpoint)
            var size = 0
            for try await chunk in root.maintenance.snapshotChunks(from: endpoint) { size += chunk.bytes.count }
            #expect(size % 512 == 32)
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                await expectError(.permissionDenied) { try await alice.maintenance.defragment(endpoint) }
                await expectError(.permissionDenied) {
                    for try await _ in alice.maintenance.snapshotChunks(from: endpoint) {}
                }
            }
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            for (credentials, code) in [(nil, .authenticationRequired), (.token("bad.1"), .invalidToken)]
                as [(Credentials?, EtcdError.Code)]
            {
                configuration.credentials = credentials
                try await withEtcdClient(configuration) { stranger in
                    await expectError(code) { try await stranger.maintenance.defragment(endpoint) }
                    await expectError(code) {
                        for try await _ in stranger.maintenance.snapshotChunks(from: endpoint) {}
                    }
                }
            }
        }
    }

    @Test("a server without the methods leads to a typed error")
    @EventLoop
    func unimplemented() async throws {
        let server = try FakeServer { $0.refuse(.unimplemented, "unknown service etcdserverpb.Maintenance") }
        let client = try server.client()
        let (maintenance, endpoint) = (client.maintenance, try Endpoint(server.address))
        await expectError(.unimplemented) { try await maintenance.status(of: endpoint) }
        await expectError(.unimplemented) { try await maintenance.alarms() }
        await expectError(.unimplemented) { try await maintenance.disarmAll() }
        await expectError(.unimplemented) { try await maintenance.defragment(endpoint) }
        await expectError(.unimplemented) { try await maintenance.hash(of: endpoint) }
        await expectError(.unimplemented) { try await maintenance.keyValueHash(of: endpoint) }
        let member = Member.ID(rawValue: 1)
        await expectError(.unimplemented) { try await maintenance.moveLeader(to: member, from: endpoint) }
        try await withTemporaryFolder { folder in
            await expectError(.unimplemented) { try await maintenance.snapshot(from: endpoint, to: "\(folder)/s") }
        }
        await expectError(.unimplemented) { for try await _ in maintenance.snapshotChunks(from: endpoint) {} }
        await client.close()
        server.stop()
    }

    @Test("a leader that cannot be found is a typed error", arguments: [0, 5] as [UInt64])
    @EventLoop
    func noLeader(leader: UInt64) async throws {
        let member = try FakeMember(leader: leader)
        member.onCall = { $0.answer(with: Wire.MembersResponse()) }
        try await FakeMember.with([member]) { client in
            let other = Member.ID(rawValue: 7)
            await expectError(leader == 0 ? .noLeader : .notLeader) {
                try await client.maintenance.moveLeader(to: other)
            }
        }
    }
}
