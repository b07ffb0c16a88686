// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

extension Decision {
    static let cluster: [Decision] = [
        Decision("pollsNeeded", 3, "degraded member-down:a2", nil, life: setting(2) { $0[0xa2].trouble = .killed }),
        Decision("pollsConsidered", 2, "degraded member-down:a2", nil) { cluster in
            for trouble in [SimulatedCluster.Trouble.killed, .none] {
                cluster[0xa2].trouble = trouble
                cluster.poll()
            }
            cluster[0xa2].trouble = .killed
            return cluster.poll()
        },
        Decision("minimumVoters", 3, nil, "degraded too-few-voters", life: setting { $0[0xa2].trouble = .killed }),
        Decision(
            "leaderlessSeconds",
            2,
            nil,
            "critical no-leader",
            life: setting(6) { cluster in
                for id: UInt64 in 0xa1...0xa3 { cluster.isolate(id) }
            }
        ),
        Decision("maximumLeaderChanges", 1, nil, "degraded leader-flapping", life: moves(2, after: 1)),
        Decision("leaderChangesWindowSeconds", 150, "degraded leader-flapping", nil, life: moves(5, after: 100)),
        Decision("failedElections", 3, nil, "degraded failed-elections", life: elections(3, after: 1)),
        Decision("failedElectionsWindowSeconds", 150, "degraded failed-elections", nil, life: elections(6, after: 100)),
        Decision("settlingSeconds", 0, nil, "degraded failed-elections") { cluster in
            cluster.poll(times: 10)
            cluster.isolate(0xa2)
            cluster.poll(times: 5)
            cluster.repair()
            cluster.poll(times: 3)
            cluster.term += 20
            return cluster.poll(times: 3)
        },
        Decision(
            "staleLeaderSeconds",
            0,
            nil,
            "degraded stale-leader:a2",
            life: setting { $0.leaveBehind(0xa2) }
        ),
        Decision(
            "membershipDivergedSeconds",
            0,
            nil,
            "critical membership-diverged",
            life: setting { cluster in
                cluster.change(0xa2) { $0.memberList = .answered([Member()], latency: .zero) }
            }
        ),
        Decision(
            "strangerSeconds",
            0,
            nil,
            "critical foreign-cluster",
            life: setting { cluster in
                cluster.nodes.append(SimulatedCluster.Node(0xa4))
                cluster[0xa4].isListed = false
            }
        ),
        Decision(
            "revisionRegressionSeconds",
            10,
            "critical revision-regression",
            nil,
            life: setting(30) {
                $0.revision -= 1000
            }
        ),
        Decision(
            "linkSilenceSeconds",
            60,
            "ok link-down:a1>a2",
            nil,
            life: setting(20) { cluster in
                cluster.changeReceived(0xa2) { _ in 1000 }
                cluster.changeReceived(0xa1) { $0 == "a2" ? 1000 : nil }
            }
        ),
        Decision(
            "linkDownSeconds",
            0,
            nil,
            "ok link-down:a2>a3",
            life: setting(5) { cluster in
                cluster.addMetric(0xa2, "etcd_network_active_peers", ["Local": "a2", "Remote": "a3"], 0)
            }
        ),
    ]

    static let members: [Decision] = [
        Decision(
            "consensusHungSeconds",
            3,
            nil,
            "critical consensus-hung:a2",
            life: setting(10) { cluster in
                cluster.change(0xa2) { $0.linearizableRead = .failed(Self.late) }
            }
        ),
        Decision(
            "applyLagDegradedEntries",
            3000,
            "degraded apply-lag:a2",
            nil,
            life: setting(150) {
                $0[0xa2].applyLag = 2000
            }
        ),
        Decision(
            "applyLagCriticalEntries",
            1500,
            "degraded apply-lag:a2",
            "critical apply-lag:a2",
            life: setting(150) {
                $0[0xa2].applyLag = 2000
            }
        ),
        Decision("applyLagSeconds", 2, nil, "degraded apply-lag:a2", life: setting(5) { $0[0xa2].applyLag = 2000 }),
        Decision(
            "replicationLagDegradedEntries",
            3000,
            "degraded replication-lag:a2",
            nil,
            life: setting(70) {
                $0[0xa2].lag = 2000
            }
        ),
        Decision(
            "replicationLagCriticalEntries",
            1500,
            "degraded replication-lag:a2",
            "critical replication-lag:a2",
            life: setting(70) { $0[0xa2].lag = 2000 }
        ),
        Decision(
            "replicationLagSeconds",
            2,
            nil,
            "degraded replication-lag:a2",
            life: setting(5) {
                $0[0xa2].lag = 2000
            }
        ),
        Decision(
            "learnerLagEntries",
            3000,
            "degraded learner-lag:a4",
            nil,
            life: setting(20) {
                $0.addLearner()
                $0[0xa4].lag = 2000
            }
        ),
        Decision(
            "learnerLagSeconds",
            2,
            nil,
            "degraded learner-lag:a4",
            life: setting(6) {
                $0.addLearner()
                $0[0xa4].lag = 2000
            }
        ),
        Decision(
            "learnerForgottenSeconds",
            60,
            nil,
            "degraded learner-forgotten:a4",
            life: setting(10, after: 10) {
                $0.addLearner()
            }
        ),
        Decision("restarts", 2, nil, "degraded restart-loop:a2", life: restarts(2, after: 1)),
        Decision("restartsWindowSeconds", 150, "degraded restart-loop:a2", nil, life: restarts(3, after: 100)),
        Decision(
            "versionSkewSeconds",
            60,
            "ok version-skew",
            "degraded version-skew",
            life: setting(10, after: 10) {
                $0[0xa2].version = "3.4.23"
            }
        ),
        Decision(
            "clockSpreadSeconds",
            20,
            "degraded clock-spread",
            nil,
            life: setting { $0[0xa2].clockOffset = 9...11 }
        ),
        Decision(
            "certificateDegradedDays",
            10,
            "degraded certificate-expiry:CN=a",
            nil,
            life: certificate(.server, 20)
        ),
        Decision(
            "certificateCriticalDays",
            25,
            "degraded certificate-expiry:CN=a",
            "critical certificate-expiry:CN=a",
            life: certificate(.client, 20)
        ),
        Decision(
            "authorityDegradedDays",
            90,
            "degraded certificate-expiry:CN=a",
            nil,
            life: certificate(.authority, 100)
        ),
    ]

    static func certificate(
        _ role: CertificateReading.Role,
        _ days: Double
    ) -> @Sendable (inout SimulatedCluster) -> Assessment {
        setting { cluster in
            let end = cluster.time + days * 86_400
            cluster[0xa2].certificates = [CertificateReading(subject: "CN=a", role: role, notAfter: end)]
        }
    }

    static func restarts(_ times: Int, after seconds: Double) -> @Sendable (inout SimulatedCluster) -> Assessment {
        { cluster in
            cluster.poll(times: 10)
            for _ in 0..<times {
                cluster.restart(0xa2)
                cluster.poll(times: 2, after: seconds / 2)
            }
            return cluster.poll(times: 2)
        }
    }
}
