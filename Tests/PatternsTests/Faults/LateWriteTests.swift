// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("DistributedLock: writes that come late", .cluster, .timeLimit(.minutes(2)))
struct LateWriteTests {
    @Test(
        "a write that was on its way when the lock was lost is refused, and overwrites without the guard",
        arguments: [true, false]
    )
    func onItsWay(isGuarded: Bool) async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.callTimeout = .seconds(60)
                try await withEtcdClient(configuration) { slow in
                    try await withEtcdClient(endpoints: endpoint) { other in
                        let grant = try await DistributedLock("lock", on: .client(slow, timeToLive: .seconds(2)))
                            .acquire()
                        await proxy.stall(.toServer)
                        #expect(grant.isHeld)
                        let write = Task {
                            let put = [TransactionOperation.put("data", "old")]
                            if isGuarded {
                                try await grant.guarded(then: put)
                            } else {
                                try await slow.transaction(then: put)
                            }
                        }
                        let next = try await DistributedLock("lock", on: .client(other)).acquire()
                        try await next.guarded(then: [.put("data", "new")])
                        await proxy.resume()
                        if isGuarded {
                            await #expect(throws: CoordinationLoss.self) { try await write.value }
                        } else {
                            try await write.value
                        }
                        #expect(try await other.get("data")?.value == (isGuarded ? "new" : "old"))
                        await next.release()
                    }
                }
            }
        }
    }
}
