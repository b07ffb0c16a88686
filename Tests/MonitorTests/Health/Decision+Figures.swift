// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

extension Decision {
    static func database(_ bytes: Int64, _ inUse: Int64, times: Int = 3)
        -> @Sendable (inout SimulatedCluster) -> Assessment
    {
        setting(times) { ($0[0xa2].databaseBytes, $0[0xa2].inUseBytes) = (bytes, inUse) }
    }

    /// A database that grows by 100 kB each second, from 55 % of its quota.
    static func growing(_ polls: Int) -> @Sendable (inout SimulatedCluster) -> Assessment {
        { cluster in
            cluster[0xa2].databaseBytes = 1_181_116_006
            for _ in 0..<polls {
                cluster[0xa2].databaseBytes += 6_000_000
                cluster.poll(after: 60)
            }
            return cluster.poll(after: 60)
        }
    }

    static let storage: [Decision] = [
        Decision(
            "quotaNoticeRatio",
            0.72,
            "ok database-near-quota:a2",
            nil,
            life: database(1_503_238_553, 1_503_238_553)
        ),
        Decision(
            "quotaDegradedRatio",
            0.68,
            "ok database-near-quota:a2",
            "degraded database-near-quota:a2",
            life: database(1_503_238_553, 1_503_238_553)
        ),
        Decision(
            "quotaCriticalRatio",
            0.69,
            "ok database-near-quota:a2",
            "critical database-near-quota:a2",
            life: database(1_503_238_553, 1_503_238_553)
        ),
        Decision("maximumDatabaseBytes", 5e6, nil, "degraded database-large:a2", life: database(6_000_000, 6_000_000)),
        // 100 kB a second fill the 40 % that are left within 2.2 hours.
        Decision("growthMinimumSeconds", 600, nil, "degraded database-growth:a2", life: growing(20)),
        Decision("growthMinimumRatio", 0.9, "degraded database-growth:a2", nil, life: growing(40)),
        Decision(
            "growthDegradedSeconds",
            60,
            "degraded database-growth:a2",
            "ok database-growth:a2",
            life: growing(40)
        ),
        Decision("growthNoticeSeconds", 60, "degraded database-growth:a2", nil, life: growing(40)),
        Decision("growthWindowSeconds", 1200, "degraded database-growth:a2", nil, life: growing(40)),
        Decision(
            "fragmentationRatio",
            0.9,
            "ok fragmentation:a2",
            nil,
            with: { $0.fragmentationSeconds = 0 },
            life: database(600_000_000, 100_000_000)
        ),
        Decision(
            "fragmentationMinimumBytes",
            1e9,
            "ok fragmentation:a2",
            nil,
            with: { $0.fragmentationSeconds = 0 },
            life: database(600_000_000, 100_000_000)
        ),
        Decision(
            "fragmentationFreeRatio",
            0.5,
            "ok fragmentation:a2",
            nil,
            with: { $0.fragmentationSeconds = 0 },
            life: database(600_000_000, 100_000_000)
        ),
        Decision(
            "fragmentationSeconds",
            5,
            nil,
            "ok fragmentation:a2",
            life: database(600_000_000, 100_000_000, times: 10)
        ),
        Decision("fsyncNoticeSeconds", 0.02, "ok slow-fsync:a2", nil, life: disk(fsync: 0.012)),
        Decision("fsyncDegradedSeconds", 0.012, "ok slow-fsync:a2", "degraded slow-fsync:a2", life: disk(fsync: 0.012)),
        Decision("fsyncCriticalSeconds", 0.012, "ok slow-fsync:a2", "critical slow-fsync:a2", life: disk(fsync: 0.012)),
        Decision("commitNoticeSeconds", 0.04, "ok slow-commit:a2", nil, life: disk(commit: 0.03)),
        Decision(
            "commitDegradedSeconds",
            0.026,
            "ok slow-commit:a2",
            "degraded slow-commit:a2",
            life: disk(commit: 0.03)
        ),
        Decision(
            "commitCriticalSeconds",
            0.026,
            "ok slow-commit:a2",
            "critical slow-commit:a2",
            life: disk(commit: 0.03)
        ),
        Decision("diskMinimumWrites", 1e6, "ok slow-fsync:a2", nil, life: disk(fsync: 0.012)),
        Decision("slowDiskSeconds", 1e4, "ok slow-fsync:a2", nil, life: disk(fsync: 0.012)),
        // The disk is fast again: a shorter window has forgotten that it was not.
        Decision("diskWindowSeconds", 20, "ok slow-fsync:a2", nil) { cluster in
            _ = disk(fsync: 0.012)(&cluster)
            cluster[0xa2].fsyncSeconds = 0.0005
            return cluster.poll(times: 60)
        },
    ]

    static func disk(fsync: Double = 0.0005, commit: Double = 0.0005)
        -> @Sendable (inout SimulatedCluster) -> Assessment
    {
        setting(70) { ($0[0xa2].fsyncSeconds, $0[0xa2].commitSeconds) = (fsync, commit) }
    }

    static let load: [Decision] = [
        Decision(
            "maximumReadSeconds",
            0.5,
            "degraded slow-reads:a2",
            nil,
            life: setting(40) {
                $0[0xa2].readSeconds = 0.3
            }
        ),
        Decision(
            "criticalReadSeconds",
            0.2,
            "degraded slow-reads:a2",
            "critical slow-reads:a2",
            life: setting(40) {
                $0[0xa2].readSeconds = 0.3
            }
        ),
        Decision("slowReadsSeconds", 2, nil, "degraded slow-reads:a2", life: setting(5) { $0[0xa2].readSeconds = 0.3 }),
        Decision(
            "pendingProposals",
            300,
            "degraded pending-proposals:a2",
            nil,
            with: { $0.pendingProposalsSeconds = 2 },
            life: gauge("etcd_server_proposals_pending", 200)
        ),
        Decision(
            "pendingProposalsSeconds",
            2,
            nil,
            "degraded pending-proposals:a2",
            life: gauge("etcd_server_proposals_pending", 200)
        ),
        Decision(
            "failedProposals",
            100,
            "degraded failed-proposals:a2",
            nil,
            life: setting(20) {
                $0[0xa2].rates["etcd_server_proposals_failed_total"] = 1
            }
        ),
        Decision(
            "failedProposalsWindowSeconds",
            3,
            "degraded failed-proposals:a2",
            nil,
            life: setting(20) {
                $0[0xa2].rates["etcd_server_proposals_failed_total"] = 1
            }
        ),
        Decision("requestErrorDegradedRatio", 0.15, "degraded request-errors:a2", nil, life: errors(perSecond: 1)),
        Decision(
            "requestErrorCriticalRatio",
            0.07,
            "degraded request-errors:a2",
            "critical request-errors:a2",
            life: errors(perSecond: 1)
        ),
        Decision("requestErrorMinimumPerSecond", 50, "degraded request-errors:a2", nil, life: errors(perSecond: 1)),
        Decision("requestErrorWindowSeconds", 20, "degraded request-errors:a2", nil) { cluster in
            _ = errors(perSecond: 1)(&cluster)
            cluster[0xa2].calls["Unavailable"] = 0
            return cluster.poll(times: 30)
        },
        Decision(
            "slowWatchers",
            300,
            "degraded slow-watchers:a2",
            nil,
            with: { $0.slowWatchersSeconds = 2 },
            life: gauge("etcd_debugging_mvcc_slow_watcher_total", 200)
        ),
        Decision(
            "slowWatchersRatio",
            0.9,
            "degraded slow-watchers:a2",
            nil,
            with: { $0.slowWatchersSeconds = 2 },
            life: gauge("etcd_debugging_mvcc_slow_watcher_total", 200)
        ),
        Decision(
            "slowWatchersSeconds",
            2,
            nil,
            "degraded slow-watchers:a2",
            life: gauge("etcd_debugging_mvcc_slow_watcher_total", 200)
        ),
        Decision(
            "fileDescriptorsRatio",
            0.95,
            "degraded file-descriptors:a2",
            nil,
            life: gauge("process_open_fds", 900)
        ),
        Decision("maximumMemoryBytes", 1e7, nil, "degraded memory:a2", life: setting { _ in }),
        Decision(
            "maximumCPUCores",
            2,
            nil,
            "degraded cpu:a2",
            life: setting(20) {
                $0[0xa2].rates["process_cpu_seconds_total"] = 3
            }
        ),
        Decision("cpuWindowSeconds", 10, nil, "degraded cpu:a2", with: { $0.maximumCPUCores = 2 }) { cluster in
            cluster.poll(times: 60)
            cluster[0xa2].rates["process_cpu_seconds_total"] = 3
            return cluster.poll(times: 15)
        },
    ]

    static func gauge(_ name: String, _ value: Double) -> @Sendable (inout SimulatedCluster) -> Assessment {
        setting(5) { $0[0xa2].gauges[name] = value }
    }

    /// One call in ten fails.
    static func errors(perSecond: Double) -> @Sendable (inout SimulatedCluster) -> Assessment {
        setting(60) { $0[0xa2].calls = ["OK": 9, "Unavailable": perSecond] }
    }
}
