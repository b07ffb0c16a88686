// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HysteresisTests {
    /// Feeds one suspicion or none in each second, and returns the verdict of its finding after each.
    private func verdicts(
        _ polls: [Verdict?],
        holdFor: Double = 0,
        isImmediate: Bool = false,
        without data: Set<Int> = []
    ) -> [Verdict?] {
        var hysteresis = Hysteresis(Thresholds())
        return polls.enumerated().map { poll, verdict in
            let suspicion = verdict.map { Suspicion(.cpu, $0, "", holdFor: holdFor, isImmediate: isImmediate) }
            let findings = hysteresis.update(
                suspicion.map { [$0] } ?? [],
                time: Date(timeIntervalSince1970: Double(poll)),
                uptime: .seconds(poll),
                isGone: { _ in false },
                isJudgeable: { _ in !data.contains(poll) }
            )
            return findings.first?.verdict
        }
    }

    @Test func `Two of three polls raise, and two in a row without it clear`() {
        let bad = Verdict.degraded
        #expect(verdicts([bad, nil, nil, bad, nil]) == [nil, nil, nil, nil, nil])
        #expect(verdicts([bad, nil, bad, nil, bad, nil, nil]) == [nil, nil, bad, bad, bad, bad, nil])
        #expect(verdicts([bad, bad, nil, nil, bad]) == [nil, bad, bad, nil, nil])
    }

    @Test func `A suspicion in every second poll does not make a finding come and go`() {
        let polls = (0..<100).map { $0 % 2 == 0 ? Verdict.degraded : nil }
        let raised = verdicts(polls).drop { $0 == nil }
        #expect(raised.count == 98 && raised.allSatisfy { $0 == .degraded })
    }

    @Test func `A verdict that alternates stays as it was`() {
        let polls = (0..<100).map { $0 % 2 == 0 ? Verdict.critical : .degraded }
        #expect(Set(verdicts(polls).dropFirst()).count == 1)
        #expect(verdicts([.degraded, .degraded, .critical, .critical]) == [nil, .degraded, .degraded, .critical])
    }

    @Test func `A finding with a hold time is raised after a suspicion of that time without a break`() {
        let bad = Verdict.degraded
        #expect(verdicts([bad, bad, bad, bad], holdFor: 3) == [nil, nil, nil, bad])
        #expect(verdicts([bad, bad, nil, bad, bad, bad], holdFor: 3) == [nil, nil, nil, nil, nil, nil])
    }

    @Test func `An immediate finding is raised at once`() {
        #expect(verdicts([.critical, nil, nil], isImmediate: true) == [.critical, .critical, nil])
    }

    @Test func `A poll without data counts neither way`() {
        let bad = Verdict.degraded
        #expect(verdicts([bad, bad, nil, nil, nil, nil], without: [2, 3]) == [nil, bad, bad, bad, bad, nil])
    }

    @Test func `Metrics of an earlier poll do not count again`() {
        let bad = Verdict.degraded
        #expect(verdicts([bad, bad, bad, bad, nil], without: [1, 2]) == [nil, nil, nil, bad, bad])
    }

    @Test func `A finding dates from the first poll in which it was suspected`() {
        var cluster = SimulatedCluster()
        cluster.poll(times: 5)
        cluster[0xa2].trouble = .killed
        cluster.poll()
        let first = cluster.time
        let finding = cluster.poll(times: 5).findings.first
        #expect(finding?.since == first)
        #expect(finding?.memberID == "a2")
        #expect(finding?.evidence["faultTolerance"] == 0)
        #expect(finding?.evidence["silentPolls"] == 6)
    }
}
