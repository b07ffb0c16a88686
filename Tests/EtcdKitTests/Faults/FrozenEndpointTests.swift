// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdTesting

/// A member that stands still while its connections stay open.
@Suite("Frozen endpoint", .disabled("until the client gives an attempt up in time"), .timeLimit(.minutes(2)))
struct FrozenEndpointTests {
    /// How long the client may take to see that an endpoint does not answer.
    ///
    /// This is to be `configuration.retry.attemptTimeout` of the client below, as soon as there is that.
    private static let detectionTime = Duration.seconds(2)

    @Test("no read fails while one of three endpoints stands still, and none waits for long")
    func reads() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            try await withClientOfFollower(in: cluster) { client, follower in
                try await client.put("key", "1")
                await follower.freeze()
                // The control: who knows this member only gets no answer.
                try await withEtcdClient(endpoints: follower.endpoint) { lonely in
                    await expectSilence(of: lonely.with(timeout: .seconds(1)))
                }
                let times = await withTaskGroup(of: [Duration?].self) { group in
                    for _ in 0..<50 {
                        group.addTask {
                            var times: [Duration?] = []
                            for _ in 0..<20 { times.append(await timeOfRead(client)) }
                            return times
                        }
                    }
                    return await group.reduce(into: []) { $0 += $1 }
                }
                follower.thaw()
                #expect(times.count == 1000)
                #expect(times.count { $0 == nil } == 0)
                let slowest = try #require(times.compactMap(\.self).max())
                #expect(slowest <= Self.detectionTime + .seconds(1))
            }
        }
    }
}

/// Lends a client of all members whose calls go to one that does not lead, and that member.
private func withClientOfFollower(
    in cluster: EtcdCluster,
    _ body: (EtcdClient, EtcdMember) async throws -> Void
) async throws {
    var members: [UInt64: EtcdMember] = [:]
    for member in cluster.members {
        let header = try await withEtcdClient(endpoints: member.endpoint) { try await $0.range(.key("key")).header }
        members[header.memberID] = member
    }
    for first in cluster.endpoints {
        let endpoints = [first] + cluster.endpoints.filter { $0 != first }
        let client = try EtcdClient(endpoints: endpoints)
        let member = try #require(members[try await client.range(.key("key")).header.memberID])
        if try await member.metric("etcd_server_is_leader") == 0 {
            try await body(client, member)
            return await client.close()
        }
        await client.close()
    }
    Issue.record("every client talks to the leader")
}

/// How long a read has taken; nil if it has failed.
private func timeOfRead(_ client: EtcdClient) async -> Duration? {
    let start = ContinuousClock.now
    do {
        _ = try await client.get("key")
        return .now - start
    } catch {
        return nil
    }
}

private func expectSilence(of client: EtcdClient) async {
    await #expect(throws: EtcdError.self) { _ = try await client.get("key") }
}
