// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct EvaluatorTests {
    /// A cluster whose members are a little different in each poll.
    private func makeNoise(_ cluster: inout SimulatedCluster) {
        for index in cluster.nodes.indices {
            cluster.nodes[index].readSeconds = .random(in: 0.0005...0.05, using: &cluster.generator)
            cluster.nodes[index].lag = .random(in: 0...50, using: &cluster.generator)
            cluster.nodes[index].applyLag = .random(in: 0...50, using: &cluster.generator)
            cluster.nodes[index].databaseBytes += .random(in: -1000...1000, using: &cluster.generator)
            cluster.nodes[index].calls["Unavailable"] = .random(in: 0...0.1, using: &cluster.generator)
            cluster.nodes[index].clockOffset = -0.6 ... .random(in: 0...0.6, using: &cluster.generator)
        }
    }

    @Test(arguments: [1, 3, 5], [1, 3])
    func `A healthy cluster with noise raises nothing in 1,000 polls`(_ voters: Int, metricsEvery: Int) {
        var cluster = SimulatedCluster(voters: voters)
        cluster.metricsEvery = metricsEvery
        for poll in 0..<1000 {
            makeNoise(&cluster)
            let assessment = cluster.poll()
            #expect(assessment.findings == [], "poll \(poll)")
            #expect(assessment.quorum.state == .available && assessment.quorum.healthyVoters == voters)
            #expect(assessment.leader?.memberID == "a1")
            #expect(assessment.memberVerdicts.values.allSatisfy { $0 == .ok })
        }
    }

    @Test(arguments: 1...9) func `The quorum's state is right for every set of dead members`(_ voters: Int) {
        // Beyond six members the sets repeat themselves.
        for dead in 0..<(1 << voters) where voters <= 6 || dead.nonzeroBitCount <= 1 || dead % 17 == 0 {
            var cluster = SimulatedCluster(voters: voters)
            cluster.poll(times: 3)
            for index in 0..<voters where dead & (1 << index) != 0 { cluster.nodes[index].trouble = .killed }
            let assessment = cluster.poll(times: 6)
            let (alive, majority) = (voters - dead.nonzeroBitCount, voters / 2 + 1)
            #expect(assessment.quorum.voters == voters)
            #expect(assessment.quorum.healthyVoters == alive)
            #expect(assessment.quorum.faultTolerance == alive - majority)
            #expect(assessment.quorum.state == (alive >= majority ? .available : .lost))
            let downs = assessment.findings.filter { $0.code == .memberDown }
            #expect(downs.count == voters - alive)
            #expect(downs.allSatisfy { $0.verdict == (alive >= majority ? .degraded : .critical) })
            #expect(assessment.codes.contains(.quorumLost) == (alive < majority))
            #expect(assessment.codes.isSubset(of: [.memberDown, .quorumLost]))
        }
    }

    @Test func `A leader that moves again and again is the only finding`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        for move in 0..<10 {
            cluster.move(to: [0xa2, 0xa3, 0xa1][move % 3])
            #expect(cluster.poll().codes.isSubset(of: [.leaderFlapping]))
        }
        let assessment = cluster.poll()
        #expect(assessment.raised == ["leader-flapping"])
        #expect(assessment.leaderHistory.count == 10)
        #expect(assessment.leaderHistory.first?.to == assessment.leader?.memberID)
        #expect(assessment.leaderHistory.map(\.term) == (3...12).reversed())
    }

    @Test func `Changes of the leader between polls count if a majority has counted them`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        for id: UInt64 in [0xa2, 0xa3, 0xa2, 0xa1] { cluster.move(to: id) }
        #expect(cluster.poll(times: 2).raised == ["leader-flapping"])
    }

    @Test func `A short election that the same leader wins is in the history, and raises nothing`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.changeMembers { $0.linearizableRead = .failed(ProbeFailure(.noLeader, "etcdserver: leader changed")) }
        for id: UInt64 in 0xa1...0xa3 { cluster.changeStatus(id) { $0.leaderNumber = 0 } }
        #expect(cluster.poll().leader == nil)
        cluster.repair()
        let assessment = cluster.poll()
        #expect(assessment.findings == [])
        #expect(assessment.leader?.memberID == "a1")
        #expect(assessment.leaderHistory.map { [$0.from, $0.to] } == [[nil, "a1"], ["a1", nil]])
    }

    @Test func `A leader that is lost and comes back again and again raises nothing`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        for _ in 0..<6 {
            for id: UInt64 in 0xa1...0xa3 { cluster.changeStatus(id) { $0.leaderNumber = 0 } }
            cluster.poll()
            cluster.repair()
            for _ in 0..<3 { #expect(cluster.poll().findings == []) }
        }
    }

    @Test func `Changes of the leader that only one member has counted raise nothing`() {
        var cluster = SimulatedCluster()
        cluster[0xa2].rates["etcd_server_leader_changes_seen_total"] = 1
        for _ in 0..<30 { #expect(cluster.poll().findings == []) }
    }

    @Test(arguments: [1, 3, 4]) func `A revision that goes back at a restart is not a finding`(metricsEvery: Int) {
        var cluster = SimulatedCluster()
        cluster.metricsEvery = metricsEvery
        cluster.poll(times: 5)
        cluster.restart(0xa2)
        cluster.changeStatus(0xa2) { $0.header.revision = 17 }
        for _ in 0..<5 { #expect(cluster.poll().findings == []) }
    }

    @Test func `A rolling restart raises nothing critical, no flapping and no loop`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 10)
        for id: UInt64 in [0xa2, 0xa3, 0xa1] {
            cluster[id].trouble = .killed
            for _ in 0..<4 {
                let findings = cluster.poll().findings
                #expect(
                    findings.allSatisfy {
                        $0.verdict < .critical && $0.id.description == "member-down:\(cluster[id].key)"
                    }
                )
            }
            cluster.repair()
            cluster.poll(times: 10)
        }
        #expect(cluster.poll().findings == [])
    }

    @Test func `A learner that catches up raises nothing`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.addLearner()
        for left in (0..<20).reversed() {
            cluster[0xa4].lag = UInt64(left * 450)
            let assessment = cluster.poll()
            #expect(assessment.findings == [])
            #expect(assessment.quorum.voters == 3)
        }
    }

    @Test func `A learner lags until it has caught up, however its lag varies with the load`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.addLearner()
        cluster[0xa4].lag = 9000
        cluster.poll(times: 15)
        for left: UInt64 in [8000, 6000, 5000, 7000, 4000, 3000, 2000, 1100] {
            cluster[0xa4].lag = left
            #expect(cluster.poll().findings.map(\.code) == [.learnerLag])
        }
        cluster[0xa4].lag = 900
        cluster.poll()
        #expect(cluster.poll().findings == [])
    }

    @Test func `A removed member raises nothing`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster[0xa3].isListed = false
        cluster[0xa3].trouble = .killed
        for _ in 0..<20 { #expect(cluster.poll().findings == []) }
        #expect(cluster.poll().quorum.voters == 2)
    }

    @Test func `A jump of the monitor's clock raises nothing`() {
        var cluster = SimulatedCluster()
        for jump: Double in [3600, -86_400, 2_592_000, 0] {
            cluster.time += jump
            for index in cluster.nodes.indices { cluster.nodes[index].clockOffset = -jump - 0.5...0.5 - jump }
            for _ in 0..<5 { #expect(cluster.poll().findings == []) }
        }
    }

    @Test func `A term that grew while a member was cut off does not count as failed elections`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.isolate(0xa2)
        cluster.poll(times: 30)
        cluster.repair()
        cluster.term += 24
        cluster.move(to: 0xa3)
        cluster.poll()
        for _ in 0..<60 { #expect(cluster.poll().findings == []) }
    }

    @Test func `Failed calls and proposals during a fault are not findings of their own`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 60)
        for id: UInt64 in 0xa1...0xa3 {
            cluster[id].calls = ["OK": 5, "Unavailable": 5]
            cluster[id].rates["etcd_server_proposals_failed_total"] = 5
        }
        cluster[0xa1].trouble = .killed
        #expect(cluster.poll(times: 60).raised == ["member-down:a1"])
        cluster.repair()
        for id: UInt64 in 0xa1...0xa3 {
            cluster[id].calls = ["OK": 10]
            cluster[id].rates["etcd_server_proposals_failed_total"] = 0
        }
        cluster.poll(times: 2)
        for _ in 0..<120 { #expect(cluster.poll().findings == []) }
    }

    @Test func `The end of a watch is not a failed call`() {
        var cluster = SimulatedCluster()
        for _ in 0..<100 { #expect(cluster.poll().findings == []) }
    }

    @Test func `A finding stays while there is no data, and ends with data that clear it`() {
        var cluster = SimulatedCluster()
        cluster[0xa2].gauges["process_open_fds"] = 1000
        #expect(cluster.poll(times: 5).raised == ["file-descriptors:a2"])
        cluster[0xa2].trouble = .killed
        #expect(cluster.poll(times: 20).raised == ["file-descriptors:a2", "member-down:a2"])
        cluster.repair()
        cluster[0xa2].gauges["process_open_fds"] = 50
        #expect(cluster.poll(times: 2).findings == [])
    }

    @Test func `Unauthorized probes say nothing about the quorum`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        for id: UInt64 in 0xa1...0xa3 { cluster[id].trouble = .unauthorized }
        let assessment = cluster.poll(times: 3)
        #expect(assessment.quorum.state == .unknown)
        #expect(assessment.leader?.memberID == "a1")
    }

    @Test func `A member without usable answers has an unknown verdict`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.change(0xa2) { seen in
            let failure = ProbeFailure(.malformed, "not etcd")
            (seen.status, seen.serializableRead) = (.failed(failure), .failed(failure))
            (seen.linearizableRead, seen.memberList) = (.failed(failure), .failed(failure))
        }
        #expect(cluster.poll(times: 5).memberVerdicts == ["a1": .ok, "a2": .unknown, "a3": .ok])
    }

    @Test(arguments: [1, 3])
    func `Links are judged by the bytes that arrive, where a leader sends heartbeats`(metricsEvery: Int) {
        var cluster = SimulatedCluster()
        cluster.metricsEvery = metricsEvery
        cluster.poll(times: 5)
        func states(_ assessment: Assessment) -> [String: PeerLink.State] {
            Dictionary(uniqueKeysWithValues: assessment.links.map { ("\($0.from)>\($0.to)", $0.state) })
        }
        var links = states(cluster.poll())
        #expect(links.count == 6)
        #expect(links["a1>a2"] == .alive && links["a2>a1"] == .alive && links["a2>a3"] == .unknown)
        cluster.cut(0xa2, from: [0xa1])
        links = states(cluster.poll(times: 6))
        #expect(links["a1>a2"] == .silent && links["a2>a1"] == .silent && links["a1>a3"] == .alive)
    }

    @Test func `A quota that neither the status nor the metrics report is unknown`() {
        var cluster = SimulatedCluster()
        (cluster[0xa2].databaseBytes, cluster[0xa2].inUseBytes) = (1_900_000_000, 1_800_000_000)
        var blind = cluster
        blind.changeMembers { $0.visit?.metrics = .failed(ProbeFailure(.refused, "connection refused")) }
        #expect(blind.poll(times: 5).raised == ["metrics-unavailable"])
        // The quota of etcd 3.6 is part of the status.
        blind.changeStatus(0xa2) { $0.databaseQuota = 2_000_000_000 }
        #expect(blind.poll(times: 5).raised == ["metrics-unavailable", "database-near-quota:a2"])

        #expect(cluster.poll(times: 5).raised == ["database-near-quota:a2"])
        // A finding does not end because its quota can no longer be read.
        cluster.changeMembers { $0.visit?.metrics = .failed(ProbeFailure(.refused, "connection refused")) }
        #expect(cluster.poll(times: 5).raised == ["metrics-unavailable", "database-near-quota:a2"])
        cluster[0xa2].gauges["etcd_server_quota_backend_bytes"] = 0
        cluster.repair()
        #expect(cluster.poll(times: 5).raised == ["database-near-quota:a2"], "0 stands for 2 GiB")
        cluster[0xa2].gauges["etcd_server_quota_backend_bytes"] = -1
        #expect(cluster.poll(times: 5).raised == [], "there is no limit")
    }

    @Test func `Another cluster at the same endpoints starts with an empty state`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster.revision -= 4000
        for id: UInt64 in 0xa1...0xa3 { cluster[id].clusterID = 0xc9 }
        let assessment = cluster.poll(times: 5)
        #expect(assessment.findings == [])
        #expect(assessment.clusterID == "c9")
    }

    @Test func `A dead cluster whose members were never seen has lost its quorum`() {
        var evaluator = HealthEvaluator(Thresholds())
        var assessment = Assessment()
        for poll in 0..<3 {
            let members = ["10.0.0.1", "10.0.0.2"].map { host in
                var member = MemberObservation(id: nil, endpoint: try? Endpoint(host))
                member.status = .failed(ProbeFailure(.refused, "connection refused"))
                return member
            }
            let time = Date(timeIntervalSince1970: Double(poll))
            assessment = evaluator.evaluate(ClusterObservation(time: time, uptime: .seconds(poll), members: members))
        }
        #expect(assessment.raised == ["quorum-lost", "member-down:10.0.0.1:2379", "member-down:10.0.0.2:2379"])
    }

    @Test func `A count of received bytes that has never grown does not prove that a member is alive`() {
        var cluster = SimulatedCluster()
        cluster.addMetric(0xa3, "etcd_network_peer_received_bytes_total", ["From": "a2"], 0)
        cluster.poll(times: 5)
        cluster[0xa2].trouble = .frozen
        #expect(cluster.poll(times: 5).raised == ["member-frozen:a2"])
    }

    @Test func `A disk is not slow by itself while the database is defragmented`() {
        var cluster = SimulatedCluster()
        cluster[0xa2].gauges["etcd_disk_defrag_inflight"] = 1
        (cluster[0xa2].fsyncSeconds, cluster[0xa2].readSeconds) = (0.2, 0.2)
        #expect(cluster.poll(times: 100).raised == ["defragmenting:a2"])
    }

    @Test func `The loss of a member is not critical while an election goes on`() {
        var cluster = SimulatedCluster(voters: 5)
        cluster.poll(times: 5)
        cluster[0xa2].trouble = .killed
        let late = ProbeFailure(.timedOut, "no answer in 2 s")
        cluster.changeMembers { if $0.linearizableRead.answer != nil { $0.linearizableRead = .failed(late) } }
        let assessment = cluster.poll(times: 5)
        #expect(assessment.raised == ["member-down:a2"])
        #expect(assessment.findings.first?.verdict == .degraded)
    }

    @Test func `The monitor follows the cluster that it saw first`() {
        var cluster = SimulatedCluster(voters: 1)
        cluster.poll(times: 5)
        for id: UInt64 in [0xb1, 0xb2] {
            cluster.nodes.append(SimulatedCluster.Node(id))
            (cluster[id].clusterID, cluster[id].isLearner) = (0xc2, true)
        }
        let assessment = cluster.poll(times: 5)
        #expect(assessment.raised == ["foreign-cluster"])
        #expect(assessment.findings.first?.evidence["foreignEndpoints"] == 2)
        #expect(assessment.clusterID == "c1")
        #expect(assessment.quorum.voters == 1)
    }

    @Test func `A monitor without any answers does not record the loss of the leader`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        for id: UInt64 in 0xa1...0xa3 { cluster[id].trouble = .unreachable }
        #expect(cluster.poll(times: 5).leader == nil)
        cluster.repair()
        let assessment = cluster.poll(times: 5)
        #expect(assessment.leader?.memberID == "a1")
        #expect(assessment.leaderHistory == [])
    }

    @Test func `A member that was down counts as starting before it counts as unreachable`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster[0xa2].trouble = .killed
        cluster.poll(times: 5)
        cluster[0xa2].trouble = .unreachable
        for _ in 0..<2 { #expect(cluster.poll().raised == ["member-down:a2"]) }
        var starting = cluster
        starting.repair()
        #expect(starting.poll(times: 2).raised == [])
        #expect(cluster.poll(times: 5).raised == ["member-unreachable:a2"])
    }

    @Test func `Alarms are read with any white space, and other errors are not alarms`() {
        let alarms = Alarm.read("memberID:10501334649042878790 alarm:NOSPACE memberID: 1  alarm:  CORRUPT ")
        #expect(alarms.map(\.memberID.rawValue) == [10_501_334_649_042_878_790, 1])
        #expect(alarms.map(\.kind) == [.noSpace, .corrupt])
        for text in ["etcdserver: no leader", "memberID:", "memberID:x alarm:NOSPACE", "memberID:5 alarm:NEW", ""] {
            #expect(Alarm.read(text) == [])
        }
    }
}
