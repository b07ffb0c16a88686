// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct FaultScheduleTests {
    /// A random fault of the cluster, or none.
    private func disturb(_ cluster: inout SimulatedCluster) {
        guard let node = cluster.nodes.randomElement(using: &cluster.generator) else { return }
        switch Int.random(in: 0..<12, using: &cluster.generator) {
        case 0: cluster[node.id].trouble = .killed
        case 1: cluster[node.id].trouble = .frozen
        case 2: cluster[node.id].trouble = .unreachable
        case 3: cluster[node.id].trouble = .unauthorized
        case 4: cluster.isolate(node.id)
        case 5: if let other = cluster.nodes.last, other.id != node.id { cluster.cut(node.id, from: [other.id]) }
        case 6: cluster[node.id].readSeconds = cluster[node.id].readSeconds > 0.1 ? 0.001 : 0.5
        case 7:
            cluster[node.id].databaseBytes = cluster[node.id].databaseBytes > 1_500_000_000 ? 1_000_000 : 2_000_000_000
        case 8: cluster.alarms = cluster.alarms.isEmpty ? ["memberID:\(node.id) alarm:NOSPACE "] : []
        case 9: cluster.restart(node.id)
        default: cluster.repair()
        }
    }

    @Test(arguments: 1...12, [1, 3])
    func `Findings of random faults are in order and end with their cause`(_ seed: UInt64, metricsEvery: Int) {
        var cluster = SimulatedCluster(voters: [1, 3, 3, 5][Int(seed % 4)])
        cluster.metricsEvery = metricsEvery
        cluster.generator = SplitMix64(seed: seed)
        var previous: [Finding.ID: Finding] = [:]
        for _ in 0..<300 {
            if Int.random(in: 0..<4, using: &cluster.generator) == 0 { disturb(&cluster) }
            let assessment = cluster.poll()
            let findings = assessment.findings
            #expect(Set(findings.map(\.id)).count == findings.count)
            #expect(findings.map(\.verdict) == findings.map(\.verdict).sorted(by: >))
            #expect(Set(assessment.memberVerdicts.keys) == Set(cluster.nodes.map(\.key)))
            for finding in findings {
                #expect(finding.since <= cluster.time)
                if let before = previous[finding.id] { #expect(before.since == finding.since) }
                if let member = finding.memberID {
                    #expect(assessment.memberVerdicts[member].map { $0 >= finding.verdict } ?? true)
                }
            }
            let lost = assessment.codes.intersection([.quorumLost, .noLeader])
            #expect(lost.count < 2 || previous.isEmpty == false)
            previous = Dictionary(uniqueKeysWithValues: findings.map { ($0.id, $0) })
        }

        cluster.repair()
        cluster.alarms = []
        for index in cluster.nodes.indices {
            (cluster.nodes[index].readSeconds, cluster.nodes[index].databaseBytes) = (0.001, 1_000_000)
        }
        cluster.poll(times: 30)
        let left = cluster.poll().codes
        #expect(left.isSubset(of: [.leaderFlapping, .restartLoop]), "they count what has been: \(left)")
        #expect(cluster.poll(times: 40, after: 60).findings == [])
    }
}
