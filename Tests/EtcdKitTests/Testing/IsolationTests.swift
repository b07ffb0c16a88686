// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdTesting

/// Members that are cut off from each other.
@Suite("EtcdCluster: isolated members", .cluster, .enabled(if: SocketOwner.canBeFound), .timeLimit(.minutes(1)))
struct IsolationTests {
    @Test("an isolated leader loses its leadership, the others elect another, and all agree after it")
    func isolatedLeader() async throws {
        try await withNetwork { cluster in
            let old = try await leader(of: cluster.members)
            let others = cluster.members.filter { $0 !== old }
            try await put("1", on: old)

            await cluster.isolate(old)
            try await eventually("it knows that it no longer leads") { try await !old.isLeader }
            try await eventually("another one leads") { try await hasLeader(others) }
            try await put("2", on: others[0])
            await #expect(throws: EtcdError.self) { try await get(on: old, timeout: .seconds(1)) }
            #expect(try await get(on: old, serializable: true) == "1")
            for member in others { #expect(try await get(on: member) == "2") }

            let start = ContinuousClock.now
            await cluster.heal()
            for member in cluster.members { try await member.waitUntilReady() }
            #expect(ContinuousClock.now - start < .seconds(3))
            for member in cluster.members { #expect(try await get(on: member) == "2") }
            try await put("3", on: old)
            for member in cluster.members { #expect(try await get(on: member) == "3") }
        }
    }

    @Test("an isolated follower misses changes, and its cluster goes on; a connected follower misses none")
    func isolatedFollower() async throws {
        try await withNetwork { cluster in
            let leader = try await leader(of: cluster.members)
            let followers = cluster.members.filter { $0 !== leader }
            try await put("1", on: leader)
            // A majority is enough for a put.
            try await eventually("the follower has it") { try await get(on: followers[0], serializable: true) == "1" }
            await cluster.isolate(followers[0])
            try await put("2", on: leader)
            #expect(try await leader.isLeader)
            try await eventually("the other follower has it") {
                try await get(on: followers[1], serializable: true) == "2"
            }
            #expect(try await get(on: followers[0], serializable: true) == "1")
            // A restart does not help.
            await #expect(throws: EtcdTestingError.self) {
                try await followers[0].restart(timeout: .seconds(2))
            }
            await cluster.heal(followers[0])
            try await followers[0].waitUntilReady()
            #expect(try await get(on: followers[0]) == "2")
        }
    }

    @Test("two isolated members take the majority with them")
    func isolatedMajority() async throws {
        try await withNetwork { cluster in
            for member in cluster.members.prefix(2) { await cluster.isolate(member) }
            for member in cluster.members {
                try await eventually("nobody leads") { try await !member.isLeader }
                await #expect(throws: EtcdTestingError.self) {
                    try await member.waitUntilReady(timeout: .milliseconds(300))
                }
            }
            await cluster.heal(cluster.members[0])
            // A write that meets the election may fail with an unknown outcome.
            for member in [cluster.members[0], cluster.members[2]] { try await member.waitUntilReady() }
            try await put("1", on: cluster.members[2])
            #expect(try await get(on: cluster.members[0]) == "1")
            await cluster.heal(cluster.members[1])
            try await cluster.members[1].waitUntilReady()
        }
    }

    @Test("a cut link separates a follower from its leader only; between followers it has no effect")
    func cutLink() async throws {
        // A follower that hears no leader does not disturb the others with elections.
        try await withNetwork(extraArguments: ["--pre-vote=true"]) { cluster in
            let leader = try await leader(of: cluster.members)
            let followers = cluster.members.filter { $0 !== leader }
            try await put("1", on: leader)

            // The control.
            await cluster.cutLink(between: followers[0], and: followers[1])
            try await put("2", on: leader)
            for member in cluster.members { #expect(try await get(on: member) == "2") }
            await cluster.heal(followers[1])

            await cluster.cutLink(between: leader, and: followers[0])
            try await put("3", on: leader)
            for member in [leader, followers[1]] { #expect(try await get(on: member) == "3") }
            await #expect(throws: EtcdError.self) { try await get(on: followers[0], timeout: .seconds(1)) }
            #expect(try await get(on: followers[0], serializable: true) == "2")
            #expect(try await leader.isLeader)

            // Both of them still reach the third: with it as leader, the cluster works.
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                let status = try await client.maintenance.status(of: Endpoint(followers[1].endpoint))
                try await client.maintenance.moveLeader(to: status.header.memberID, from: Endpoint(leader.endpoint))
            }
            for member in cluster.members { try await member.waitUntilReady() }
            #expect(try await followers[1].isLeader)
            for member in cluster.members { #expect(try await get(on: member) == "3") }

            await cluster.heal()
            try await put("4", on: followers[0])
            for member in cluster.members { #expect(try await get(on: member) == "4") }
        }
    }
}

private func withNetwork(
    extraArguments: [String] = [],
    _ body: (EtcdCluster) async throws -> Void
) async throws {
    var options = EtcdCluster.Options(memberCount: 3, extraArguments: extraArguments)
    options.canIsolate = true
    try await withEtcdCluster(options) { cluster in
        // The control: each member answers with the consent of a majority.
        for member in cluster.members { #expect(try await get(on: member) == nil) }
        try await body(cluster)
    }
}

extension EtcdMember {
    fileprivate var isLeader: Bool {
        get async throws { try await metric("etcd_server_is_leader") == 1 }
    }
}

private func leader(of members: [EtcdMember]) async throws -> EtcdMember {
    for member in members where try await member.isLeader { return member }
    throw EtcdTestingError(code: .notReady, message: "no member leads")
}

private func hasLeader(_ members: [EtcdMember]) async throws -> Bool {
    for member in members where try await member.isLeader { return true }
    return false
}

private func withClient<Result>(of member: EtcdMember, _ body: (EtcdClient) async throws -> Result) async throws
    -> Result
{
    try await withEtcdClient(endpoints: member.endpoint, body)
}

private func put(_ value: Value, on member: EtcdMember) async throws {
    try await withClient(of: member) { _ = try await $0.put("key", value) }
}

@discardableResult
private func get(
    on member: EtcdMember,
    serializable: Bool = false,
    timeout: Duration = .seconds(5)
) async throws -> Value? {
    try await withClient(of: member) {
        try await $0.with(timeout: timeout).get("key", serializable: serializable)?.value
    }
}
