// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdTesting

/// A member that stands still while its connections stay open.
@Suite("EtcdClient: an endpoint that is frozen", .cluster, .timeLimit(.minutes(2)))
struct FrozenEndpointTests {
    @Test(
        "no read fails while one of three endpoints stands still, and none waits for long (etcd#10816)",
        arguments: [false, true],
        [FailoverPolicy.roundRobin, .sticky]
    )
    func reads(leads: Bool, policy: FailoverPolicy) async throws {
        try await withEtcdCluster(members: 3) { cluster in
            let frozen = try await member(of: cluster, leads: leads)
            let others = cluster.endpoints.filter { $0 != frozen.endpoint }
            var configuration = try EtcdClient.Configuration(endpoints: [frozen.endpoint] + others)
            configuration.failover = policy
            let detectionTime = configuration.retry.attemptTimeout
            try await withEtcdClient(configuration) { client in
                // Many puts, so that the client connects to all members.
                for _ in 0..<100 { try await client.put("key", "1") }
                await frozen.freeze()
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
                // The control: a client of this member alone gets no answer.
                try await withEtcdClient(endpoints: frozen.endpoint) { lonely in
                    #expect(await timeOfRead(lonely.with(timeout: .seconds(1))) == nil)
                }
                frozen.thaw()
                #expect(times.count == 1000)
                #expect(times.count { $0 == nil } == 0)
                let slowest = try #require(times.compactMap(\.self).max())
                // The control: the frozen member was used, too.
                #expect(slowest >= detectionTime)
                // Without a leader no member can answer; those of 3.4 ask again for it after 7 s only.
                if !leads { #expect(slowest <= detectionTime + .seconds(1)) }
                print("\(leads ? "leader" : "follower") frozen, \(policy): slowest read \(slowest.inSeconds)")
            }
        }
    }

    private func member(of cluster: EtcdCluster, leads: Bool) async throws -> EtcdMember {
        for member in cluster.members where try await member.metric("etcd_server_is_leader") == (leads ? 1 : 0) {
            return member
        }
        throw EtcdTestingError(code: .notReady, message: "there is no such member")
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
}
