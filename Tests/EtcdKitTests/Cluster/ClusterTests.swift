// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Cluster: members", .cluster, .timeLimit(.minutes(2)))
struct ClusterTests {
    @Test("the list names the members, by way of the leader and without it")
    func list() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            for linearizable in [true, false] {
                let members = try await client.cluster.list(linearizable: linearizable)
                #expect(Set(members.map(\.name)) == Set(cluster.members.map(\.name)))
                #expect(Set(members.flatMap(\.clientURLs)) == Set(cluster.endpoints.map { "http://\($0)" }))
                #expect(members.allSatisfy { $0.isStarted && !$0.isLearner && $0.peerURLs.count == 1 })
                #expect(Set(members.map(\.id)).count == 3)
            }
            for member in cluster.members.dropFirst() { await member.kill() }
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { alone in
                let members = try await alone.with(timeout: .seconds(5)).cluster.list(linearizable: false)
                #expect(members.count == 3)
            }
        }
    }

    @Test("a learner is added, catches up, is promoted, leads, and is removed")
    func learner() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("before", "1")
            let learner = try await cluster.addMember { peerURL in
                let (member, members) = try await client.cluster.add(peerURLs: [peerURL], isLearner: true)
                #expect(member.isLearner && !member.isStarted && member.peerURLs == [peerURL])
                #expect(members.contains(member) && members.count == 2)
                return members
            }
            let member = try #require(try await client.cluster.list().first { $0.name == learner.name })
            #expect(member.isLearner && member.isStarted)
            #expect(member.clientURLs == ["http://\(learner.endpoint)"])
            try await withEtcdClient(endpoints: learner.endpoint) { direct in
                await expectError(.notSupportedForLearner) {
                    try await direct.with(timeout: .seconds(2)).put("k", "v")
                }
            }

            let promoted = try await whenSettled { try await client.cluster.promote(member.id) }
            #expect(promoted.first { $0.id == member.id }?.isLearner == false)
            // etcd first checks the progress of the member, which a new leader does not know at first.
            await expectError(.memberNotLearner) {
                try await whenSettled { try await client.cluster.promote(member.id) }
            }
            try await learner.waitUntilReady()
            try await withEtcdClient(endpoints: learner.endpoint) { direct in
                let entry = try await direct.get("before")
                #expect(entry?.value == "1")
            }

            try await client.maintenance.moveLeader(to: member.id)
            try await eventually("it leads") {
                try await client.maintenance.status(of: Endpoint(learner.endpoint)).leader == member.id
            }
            try await client.put("led", "1")

            let left = try await whenSettled { try await client.cluster.remove(member.id) }
            #expect(left.map(\.name) == [cluster.members[0].name])
            try await eventually("its process ends") { !learner.isRunning }
            try await eventually("the others go on") {
                (try? await client.with(timeout: .seconds(1)).get("led")) != nil
            }
            await expectError(.memberNotFound) { try await client.cluster.remove(member.id) }
        }
    }

    @Test("a member that votes joins, and the cluster bears the loss of another")
    func voter() async throws {
        try await withPrivateEtcd(members: 2) { client, cluster in
            try await client.put("k", "1")
            let third = try await cluster.addMember { peerURL in
                try await whenSettled { try await client.cluster.add(peerURLs: [peerURL]).members }
            }
            #expect(cluster.members.count == 3 && cluster.endpoints.count == 3)
            await cluster.members[0].kill()
            try await third.waitUntilReady()
            try await withEtcdClient(endpoints: third.endpoint) { direct in
                let entry = try await direct.get("k")
                #expect(entry?.value == "1")
            }
            try await third.restart()
        }
    }

    @Test("a peer URL is changed")
    func update() async throws {
        try await withPrivateEtcd { client, _ in
            let learner = try await client.cluster.add(peerURLs: ["http://127.0.0.1:1"], isLearner: true).member
            let urls = ["http://127.0.0.1:2", "http://127.0.0.1:3"]
            let members = try await client.cluster.update(learner.id, peerURLs: urls)
            #expect(members.first { $0.id == learner.id }?.peerURLs == urls)
            #expect(try await client.cluster.list().first { $0.id == learner.id }?.peerURLs == urls)
        }
    }

    @Test("impossible changes are refused with codes of their own")
    func refusals() async throws {
        try await withPrivateEtcd { client, _ in
            let members = client.cluster
            let own = try #require(try await members.list().first)
            let unknown = Member.ID(rawValue: 4711)
            await expectError(.memberNotFound) { try await members.remove(unknown) }
            await expectError(.memberNotFound) { try await members.promote(unknown) }
            await expectError(.memberNotFound) { try await members.update(unknown, peerURLs: ["http://127.0.0.1:9"]) }
            await expectError(.memberNotLearner) { try await members.promote(own.id) }
            await expectError(.peerURLExists) { try await members.add(peerURLs: own.peerURLs) }
            // etcd finds this one itself.
            await expectError(.invalidMemberURLs) { try await members.add(peerURLs: ["http://127.0.0.1"]) }

            let learner = try await members.add(peerURLs: ["http://127.0.0.1:1"], isLearner: true).member
            await expectError(.peerURLExists) { try await members.update(learner.id, peerURLs: own.peerURLs) }
            await expectError(.learnerNotReady) { try await members.promote(learner.id) }
            await expectError(.tooManyLearners) {
                try await members.add(peerURLs: ["http://127.0.0.1:2"], isLearner: true)
            }
            try await members.remove(learner.id)
            #expect(try await members.list() == [own])
        }
    }

    @Test("changes that could cost the majority are refused")
    func majority() async throws {
        try await withPrivateEtcd(members: 3) { client, cluster in
            let members = try await client.cluster.list()
            await cluster.members[0].kill()
            let name = cluster.members[1].name
            let alive = try #require(members.first { $0.name == name })
            // Two of three are there: without one of them, none of two would be left to agree.
            await expectError(.unhealthy) { try await client.cluster.add(peerURLs: ["http://127.0.0.1:1"]) }
            let error = await #expect(throws: EtcdError.self) { try await client.cluster.remove(alive.id) }
            #expect([.unhealthy, .notEnoughStartedMembers].contains(error?.code), "\(String(describing: error))")
            #expect(try await client.cluster.list().count == 3)
        }
        try await withPrivateEtcd { client, _ in
            _ = try await client.cluster.add(peerURLs: ["http://127.0.0.1:1"])
            // The second has not started, and a third would need it.
            await expectError(.notEnoughStartedMembers) {
                try await client.with(timeout: .seconds(3)).cluster.add(peerURLs: ["http://127.0.0.1:2"])
            }
        }
    }

    @Test(
        "an obviously invalid peer URL is refused at once",
        arguments: [
            [], [""], ["127.0.0.1:2380"], ["ftp://127.0.0.1:2380"], ["http://"], ["http://127.0.0.1:port"],
            ["http://127.0.0.1:2380/path"], ["http://127.0.0.1:2380", "nonsense"],
        ]
    )
    func invalidURLs(_ urls: [String]) async throws {
        // Nobody listens there.
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            await expectError(.invalidMemberURLs) { try await client.cluster.add(peerURLs: urls) }
            await expectError(.invalidMemberURLs) {
                try await client.cluster.update(Member.ID(rawValue: 1), peerURLs: urls)
            }
        }
    }

    @Test("a user lists the members, and only root changes them")
    func permissions() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            let member = try #require(try await root.cluster.list().first)
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                let members = try await alice.cluster.list()
                #expect(members == [member])
                let urls = ["http://127.0.0.1:1"]
                await expectError(.permissionDenied) { try await alice.cluster.add(peerURLs: urls, isLearner: true) }
                await expectError(.permissionDenied) { try await alice.cluster.update(member.id, peerURLs: urls) }
                await expectError(.permissionDenied) { try await alice.cluster.promote(member.id) }
                await expectError(.permissionDenied) { try await alice.cluster.remove(member.id) }
            }
        }
    }

    @Test("a learner and a member that votes join a cluster with authentication")
    func authentication() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            let learner = try await cluster.addMember { peerURL in
                try await root.cluster.add(peerURLs: [peerURL], isLearner: true).members
            }
            let id = try #require(try await root.cluster.list().first { $0.name == learner.name }?.id)
            try await whenSettled { try await root.cluster.promote(id) }
            try await learner.waitUntilReady()
            _ = try await cluster.addMember { peerURL in
                try await whenSettled { try await root.cluster.add(peerURLs: [peerURL]).members }
            }
            #expect(try await root.cluster.list().count == 3)
        }
    }

    /// Makes a change as soon as the cluster can take it.
    @discardableResult
    private func whenSettled<Result>(_ change: () async throws -> Result) async throws -> Result {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do {
                return try await change()
            } catch let error as EtcdError {
                let passes = [.unhealthy, .learnerNotReady, .notEnoughStartedMembers].contains(error.code)
                guard passes, .now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
