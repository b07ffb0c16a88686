// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("SnapshotBuilder", .unit)
struct SnapshotBuilderTests {
    @Test func `A poll without metrics shows the last ones, until a reading fails`() {
        var cluster = SimulatedCluster()
        cluster[0xa2].gauges["etcd_debugging_mvcc_compact_revision"] = 400
        let end = cluster.time + 300 * 86_400
        cluster[0xa2].certificates = [CertificateReading(subject: "CN=a2", role: .server, notAfter: end)]
        var builder = SnapshotBuilder(ClusterMonitor.Options())
        func snapshot(_ change: (inout MemberObservation) -> Void = { _ in }) -> MonitorSnapshot {
            cluster.poll()
            let members = cluster.nodes.map { cluster.observation(of: $0) }
            var seen = ClusterObservation(time: cluster.time, uptime: cluster.uptime, members: members)
            // A reading that fails is as good as one that succeeds.
            seen.members[2].visit?.raft = .failed(ProbeFailure(.unauthorized, "refused"))
            for index in seen.members.indices { change(&seen.members[index]) }
            return builder.snapshot(of: seen, tookSeconds: 0)
        }
        func count(_ snapshot: MonitorSnapshot, _ probe: String) -> Int? {
            snapshot.latency.first { $0.member == "a2" && $0.probe == probe }?.count
        }

        _ = snapshot()
        let read = snapshot()
        cluster[0xa2].databaseBytes = 5_000_000
        let kept = snapshot { $0.visit = nil }
        for (old, new) in zip(read.members, kept.members) {
            #expect(Set(new.metrics.keys) == Set(old.metrics.keys) && new.metrics.count > 10)
            #expect(new.probes.mapValues(\.failure) == old.probes.mapValues(\.failure))
            #expect(new.certificates == old.certificates && new.clockOffsetSeconds == old.clockOffsetSeconds)
            #expect(new.compactRevision == old.compactRevision)
        }
        #expect(kept.members[1].compactRevision == 400 && kept.members[1].certificates.count == 1)
        #expect(kept.members[1].metrics[.databaseBytes] == 5_000_000, "the status is new")
        #expect(ReadinessReport(kept).checks.map(\.outcome) == ReadinessReport(read).checks.map(\.outcome))
        // The probes that were not made do not count.
        #expect(count(kept, "status") == 3 && count(kept, "metrics") == 2)

        let failed = snapshot { member in
            member.visit = MetricsVisit()
            member.visit?.metrics = .failed(ProbeFailure(.refused, "connection refused"))
        }
        #expect(failed.members[1].metrics[.openFiles] == nil && failed.members[1].certificates == [])
        #expect(failed.members[1].probes["metrics"]?.failure?.reason == .refused)
        #expect(failed.members[1].probes["raft"] == nil && failed.members[1].clockOffsetSeconds == nil)
    }
}
