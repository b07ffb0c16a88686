// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct FaultTableTests {
    @Test(
        arguments: Scenario.members + Scenario.identity + Scenario.storage + Scenario.load + Scenario.others,
        [1, 4]
    )
    func `A fault raises its findings and no others, and they disappear with it`(
        _ scenario: Scenario,
        metricsEvery: Int
    ) {
        var cluster = SimulatedCluster(scenario.thresholds)
        cluster.metricsEvery = metricsEvery
        // Two readings may have to agree.
        let delay = 2 * (metricsEvery - 1)
        for _ in 0..<10 { #expect(cluster.poll().raised == []) }

        scenario.fault(&cluster)
        for poll in 1...40 {
            let assessment = cluster.poll()
            #expect(assessment.raised.isSubset(of: scenario.findings), "poll \(poll)")
            if poll < scenario.raised + delay { continue }
            #expect(assessment.raised == scenario.findings, "poll \(poll)")
            #expect(assessment.findings.map(\.verdict).max() == scenario.verdict, "poll \(poll)")
        }

        scenario.repair(&cluster)
        for poll in 1...40 {
            let raised = cluster.poll().raised
            #expect(raised.isSubset(of: scenario.findings), "poll \(poll) after the repair")
            if poll >= scenario.cleared + delay { #expect(raised == [], "poll \(poll) after the repair") }
        }
    }

    /// The scenarios and the thresholds' decisions fail without their rule, and so each rule has a test.
    @Test func `Every finding of the rules has a fault that raises it`() {
        let scenarios = Scenario.members + Scenario.identity + Scenario.storage + Scenario.load + Scenario.others
        let names =
            scenarios.flatMap(\.findings) + Decision.all.flatMap { [$0.byDefault, $0.changed].compactMap { $0 } }
        let codes = names.compactMap { name in
            name.split(separator: " ").last?.split(separator: ":").first.flatMap { Finding.Code(rawValue: String($0)) }
        }
        let others: Set<Finding.Code> = [.monitorStale, .monitorHistoryFailed]
        #expect(Set(codes).union(others) == Set(Finding.Code.allCases))
    }
}
