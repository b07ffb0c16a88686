// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A fault, and the findings that it raises: these, and no others.
struct Scenario: CustomTestStringConvertible, Sendable {
    let name: String
    var thresholds = Thresholds()
    /// The polls after which the findings are there, and after which they are gone once the fault is repaired.
    var raised = 2
    var cleared = 2
    let findings: Set<String>
    var verdict = Verdict.degraded
    let fault: @Sendable (inout SimulatedCluster) -> Void
    var repair: @Sendable (inout SimulatedCluster) -> Void = { $0.repair() }

    var testDescription: String { name }

    init(
        _ name: String,
        _ findings: Set<String>,
        _ verdict: Verdict = .degraded,
        raised: Int = 2,
        cleared: Int = 2,
        thresholds: Thresholds = Thresholds(),
        fault: @escaping @Sendable (inout SimulatedCluster) -> Void,
        repair: @escaping @Sendable (inout SimulatedCluster) -> Void = { $0.repair() }
    ) {
        (self.name, self.findings, self.verdict, self.raised, self.cleared) = (name, findings, verdict, raised, cleared)
        (self.thresholds, self.fault, self.repair) = (thresholds, fault, repair)
    }

    /// Thresholds with a change.
    static func limits(_ change: (inout Thresholds) -> Void) -> Thresholds {
        var thresholds = Thresholds()
        change(&thresholds)
        return thresholds
    }

    static let members: [Scenario] = [
        Scenario("a follower is killed", ["member-down:a2"]) { $0[0xa2].trouble = .killed },
        Scenario("the leader is killed", ["member-down:a1"]) { $0[0xa1].trouble = .killed },
        Scenario("a follower is frozen", ["member-frozen:a2"]) { $0[0xa2].trouble = .frozen },
        Scenario("the leader is frozen", ["member-frozen:a1"]) { $0[0xa1].trouble = .frozen },
        Scenario("the link between leader and follower is cut", ["member-isolated:a2"]) { $0.cut(0xa2, from: [0xa1]) },
        Scenario("a follower is cut off", ["member-isolated:a3"]) { $0.isolate(0xa3) },
        Scenario("the leader is cut off", ["member-isolated:a1"], raised: 3) { $0.isolate(0xa1) },
        Scenario("a follower starts for long", ["member-down:a2"]) { $0[0xa2].trouble = .starting },
        Scenario("the monitor does not reach a follower", ["member-unreachable:a2"], raised: 3) {
            $0[0xa2].trouble = .unreachable
        },
        Scenario("two of three are killed", ["quorum-lost", "member-down:a1", "member-down:a2"], .critical, cleared: 4)
        {
            $0[0xa1].trouble = .killed
            $0[0xa2].trouble = .killed
        },
        Scenario(
            "two of three are frozen",
            ["quorum-lost", "member-frozen:a1", "member-frozen:a2"],
            .critical,
            cleared: 4
        ) {
            $0[0xa1].trouble = .frozen
            $0[0xa2].trouble = .frozen
        },
        Scenario(
            "all are killed",
            ["quorum-lost", "member-down:a1", "member-down:a2", "member-down:a3"],
            .critical,
            cleared: 4
        ) { for id: UInt64 in 0xa1...0xa3 { $0[id].trouble = .killed } },
        Scenario(
            "nothing answers in time",
            ["member-unreachable:a1", "member-unreachable:a2", "member-unreachable:a3"],
            .unknown,
            cleared: 4
        ) { for id: UInt64 in 0xa1...0xa3 { $0[id].trouble = .unreachable } },
        Scenario("no member reaches another", ["no-leader"], .critical, raised: 12, cleared: 4) {
            for id: UInt64 in 0xa1...0xa3 { $0.isolate(id) }
        },
        Scenario("reads with a majority hang everywhere", ["quorum-lost"], .critical, raised: 12) {
            $0.changeMembers { $0.linearizableRead = .failed(ProbeFailure(.timedOut, "no answer in 2 s")) }
        },
        Scenario("reads with a majority hang at one", ["consensus-hung:a2"], .critical, raised: 32) {
            $0.change(0xa2) { $0.linearizableRead = .failed(ProbeFailure(.timedOut, "no answer in 2 s")) }
        },
        Scenario("followers do not reach each other, and etcd says so", ["link-down:a2>a3"], .ok, raised: 11) {
            $0.addMetric(0xa2, "etcd_network_active_peers", ["Local": "a2", "Remote": "a3"], 0)
        },
        Scenario("a member was added and not started", ["member-not-started:a4"]) {
            $0.nodes.append(SimulatedCluster.Node(0xa4))
            $0[0xa4].isStarted = false
        } repair: {
            $0.nodes.removeLast()
        },
        Scenario("a learner was added and does not start", ["member-not-started:a4"], raised: 11) {
            $0.addLearner()
            $0[0xa4].isStarted = false
        } repair: {
            $0.nodes.removeLast()
        },
        Scenario("a learner is cut off", ["member-isolated:a4"], raised: 3) {
            $0.addLearner()
            $0.poll(times: 5)
            $0.isolate(0xa4)
        } repair: {
            $0.repair()
            $0.nodes.removeLast()
        },
        Scenario("a learner is frozen", ["member-frozen:a4"]) {
            $0.addLearner()
            $0.poll(times: 5)
            $0[0xa4].trouble = .frozen
        } repair: {
            $0.repair()
            $0.nodes.removeLast()
        },
        Scenario("a member is killed and then removed", ["member-down:a2"]) {
            $0[0xa2].trouble = .killed
        } repair: {
            $0[0xa2].isListed = false
        },
        Scenario("a member defragments", ["defragmenting:a2"], .ok) {
            $0[0xa2].trouble = .defragmenting
            $0[0xa2].gauges["etcd_disk_defrag_inflight"] = 1
        } repair: {
            $0[0xa2].trouble = .none
            $0[0xa2].gauges["etcd_disk_defrag_inflight"] = 0
        },
    ]

    static let identity: [Scenario] = [
        Scenario("an endpoint of another cluster is in the list", ["foreign-cluster"], .critical, raised: 1) {
            $0.nodes.append(SimulatedCluster.Node(0xb1))
            ($0[0xb1].clusterID, $0[0xb1].isListed, $0[0xb1].version) = (0xc2, false, "3.4.23")
        } repair: {
            $0.nodes.removeLast()
        },
        Scenario("a removed member goes on", ["foreign-cluster"], .critical, raised: 11) {
            $0.nodes.append(SimulatedCluster.Node(0xa4))
            $0[0xa4].isListed = false
        } repair: {
            $0.nodes.removeLast()
        },
        Scenario("lists of members differ", ["membership-diverged"], .critical, raised: 6) {
            $0.change(0xa2) { $0.memberList = .answered([Member()], latency: .zero) }
        },
        Scenario("two members lead in one term", ["rival-leaders"], .critical) {
            $0.changeStatus(0xa2) { $0.leaderNumber = 0xa2 }
        },
        Scenario("an old leader does not step down", ["stale-leader:a2"], raised: 6) {
            $0.leaveBehind(0xa2)
        },
        Scenario("a member loses data", ["revision-regression:a2"], .critical) {
            $0.changeStatus(0xa2) { $0.header.revision = 17 }
        },
        Scenario("the cluster loses data", ["revision-regression"], .critical) {
            $0.revision -= 1000
        } repair: {
            $0.revision += 1000
        },
        Scenario("a member has other data", ["corruption:a2"], .critical, raised: 1, cleared: 1) {
            $0.changes = [hashes([7, 8, 7])]
        } repair: {
            $0.changes = [hashes([7, 7, 7])]
        },
        Scenario("all members have other data", ["corruption"], .critical, raised: 1, cleared: 1) {
            $0.changes = [hashes([7, 8, 9])]
        } repair: {
            $0.changes = [hashes([7, 7, 7])]
        },
        Scenario("no two hashes can be compared", ["hash-inconclusive"], .unknown, raised: 1, cleared: 1) {
            $0.changes = [hashes([7, nil, nil])]
        } repair: {
            $0.changes = [hashes([7, 7, nil])]
        },
        Scenario("an alarm says that data are corrupt", ["alarm-corrupt:a2"], .critical, raised: 1) {
            $0.alarms = ["memberID:162 alarm:CORRUPT "]
        } repair: {
            $0.alarms = []
        },
    ]

    static let storage: [Scenario] = [
        Scenario("a database is full", ["alarm-no-space:a2"], .critical) {
            $0.alarms = ["memberID: 162  alarm: NOSPACE"]
        } repair: {
            $0.alarms = []
        },
        Scenario("a database is near its quota", ["database-near-quota:a2"], .critical) {
            $0[0xa2].databaseBytes = 1_900_000_000
            $0[0xa2].inUseBytes = 1_800_000_000
        } repair: {
            $0[0xa2].databaseBytes = 1_000_000_000
        },
        Scenario("a database is large", ["database-large:a3"], thresholds: limits { $0.maximumDatabaseBytes = 2e6 }) {
            $0[0xa3].databaseBytes = 3_000_000
        } repair: {
            $0[0xa3].databaseBytes = 1_000_000
        },
        Scenario(
            "a database is fragmented",
            ["fragmentation:a2"],
            .ok,
            thresholds: limits { $0.fragmentationSeconds = 0 }
        ) {
            $0[0xa2].databaseBytes = 600_000_000
            $0[0xa2].inUseBytes = 100_000_000
        } repair: {
            $0[0xa2].databaseBytes = 100_000_000
        },
    ]

    static let load: [Scenario] = [
        Scenario("reads are slow", ["slow-reads:a2"], raised: 31) {
            $0[0xa2].readSeconds = 0.3
        } repair: {
            $0[0xa2].readSeconds = 0.001
        },
        Scenario("proposals wait", ["pending-proposals:a1"], thresholds: limits { $0.pendingProposalsSeconds = 0 }) {
            $0[0xa1].gauges["etcd_server_proposals_pending"] = 200
        } repair: {
            $0[0xa1].gauges["etcd_server_proposals_pending"] = 0
        },
        Scenario("watches lag behind", ["slow-watchers:a3"], thresholds: limits { $0.slowWatchersSeconds = 0 }) {
            $0[0xa3].gauges["etcd_debugging_mvcc_slow_watcher_total"] = 200
        } repair: {
            $0[0xa3].gauges["etcd_debugging_mvcc_slow_watcher_total"] = 0
        },
        Scenario("file descriptors run out", ["file-descriptors:a1"]) {
            $0[0xa1].gauges["process_open_fds"] = 1000
        } repair: {
            $0[0xa1].gauges["process_open_fds"] = 50
        },
        Scenario("a member holds much memory", ["memory:a1"], thresholds: limits { $0.maximumMemoryBytes = 1e9 }) {
            $0[0xa1].gauges["process_resident_memory_bytes"] = 2e9
        } repair: {
            $0[0xa1].gauges["process_resident_memory_bytes"] = 5e7
        },
    ]

    static let others: [Scenario] = [
        Scenario("the monitor has no rights", ["not-authorized"], .unknown) {
            for id: UInt64 in 0xa1...0xa3 { $0[id].trouble = .unauthorized }
        },
        Scenario("a certificate is not accepted", ["tls-failure:a2"], .unknown) { $0[0xa2].trouble = .tls },
        Scenario("metrics are not served", ["metrics-unavailable"], .unknown) {
            $0.changeMembers { $0.visit?.metrics = .failed(ProbeFailure(.refused, "connection refused")) }
        },
        Scenario("a certificate ends", ["certificate-expiry:CN=a2"], .critical) {
            let certificate = CertificateReading(subject: "CN=a2", role: .server, notAfter: $0.time + 3 * 86_400)
            $0[0xa2].certificates = [certificate]
        } repair: {
            let certificate = CertificateReading(subject: "CN=a2", role: .server, notAfter: $0.time + 300 * 86_400)
            $0[0xa2].certificates = [certificate]
        },
        Scenario("versions differ", ["version-skew"], .ok) {
            $0[0xa2].version = "3.4.23"
        } repair: {
            $0[0xa2].version = "3.5.30"
        },
        Scenario("a clock is wrong", ["clock-spread"]) {
            $0[0xa2].clockOffset = 9.5...10.5
        } repair: {
            $0[0xa2].clockOffset = -0.5...0.5
        },
        Scenario(
            "fewer voters than wanted",
            ["too-few-voters", "member-down:a2"],
            thresholds: limits { $0.minimumVoters = 3 }
        ) {
            $0[0xa2].trouble = .killed
        },
    ]

    /// In the next polls three members are asked for a hash; nil stands for no answer.
    static func hashes(_ hashes: [UInt32?]) -> @Sendable (inout ClusterObservation, Int) -> Void {
        { seen, _ in
            for (index, hash) in hashes.enumerated() {
                var answer = KeyValueHash()
                answer.hash = hash ?? 0
                let failure = ProbeFailure(.serverError, "mvcc: required revision has been compacted")
                seen.members[index].hash = hash == nil ? .failed(failure) : .answered(answer, latency: .zero)
            }
        }
    }
}
