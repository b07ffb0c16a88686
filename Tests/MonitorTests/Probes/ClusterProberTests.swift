// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdMonitorKit

@Suite("ClusterProber", .cluster, .timeLimit(.minutes(1)))
struct ClusterProberTests {
    /// Lends a prober that knows one member of three, and reads metrics once an hour.
    private func withProber(_ body: (EtcdCluster, ClusterProber) async throws -> Void) async throws {
        try await withEtcdCluster(EtcdCluster.Options(memberCount: 3)) { cluster in
            let configuration = try EtcdClient.Configuration(endpoints: [cluster.endpoints[0]])
            try await withEtcdClient(configuration) { client in
                var options = ClusterMonitor.Options()
                options.metricsInterval = .seconds(3600)
                let prober = ClusterProber(client, options)
                try await body(cluster, prober)
                await prober.close()
            }
        }
    }

    @Test func `Metrics are read once an interval, and of new members at once`() async throws {
        try await withProber { _, prober in
            let first = await prober.poll().members
            #expect(first.count == 3 && first.allSatisfy { $0.visit?.metrics.answer != nil })
            #expect(first.allSatisfy { $0.visit?.raft.answer != nil })
            // Members that had not told their IDs before are new.
            let second = await prober.poll().members
            #expect(second.count == 3 && second.allSatisfy { $0.visit?.metrics.answer != nil })
            let third = await prober.poll().members
            #expect(third.count == 3 && third.allSatisfy { $0.visit == nil && $0.status.answer != nil })
        }
    }

    @Test func `A poll in which a call fails has metrics, and so has the next`() async throws {
        try await withProber { cluster, prober in
            func waitForNone() async throws {
                try await eventually("a poll without metrics") {
                    await prober.poll().members.allSatisfy { $0.visit == nil }
                }
            }
            try await waitForNone()
            await cluster.members[2].kill()
            for _ in 1...2 {
                let seen = await prober.poll().members
                #expect(seen.count == 3 && seen.allSatisfy { $0.visit != nil })
                #expect(seen.count { $0.visit?.metrics.answer != nil } == 2)
            }
            try await cluster.members[2].restart()
            var seen: [MemberObservation]
            repeat { seen = await prober.poll().members } while seen.contains(where: \.isFailing)
            #expect(seen.count == 3 && seen.allSatisfy { $0.visit != nil })
            try await waitForNone()
        }
    }

    @Test func `Polls go on while members compute their hashes, and a later one has the results`() async throws {
        let gate = CallGate("/etcdserverpb.Maintenance/HashKV", isOpen: false)
        try await WatchedCluster.run { _, options in
            options.hashInterval = .milliseconds(100)
        } client: {
            $0.interceptors = [gate]
        } _: { watched in
            try await eventually("the hashes of three members are requested") { gate.held >= 3 }
            try await watched.polls(3)
            #expect(watched.monitor.snapshot.members.allSatisfy { $0.probes["hash"] == nil })
            #expect(gate.held == 3)
            gate.open()
            for await snapshot in watched.monitor.snapshots {
                let hashes = snapshot.members.compactMap { $0.probes["hash"] }
                if hashes.isEmpty { continue }
                #expect(hashes.count == 3 && hashes.allSatisfy { $0.seconds != nil })
                #expect(snapshot.findings == [])
                break
            }
        }
    }
}
