// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: inhibition", .unit, .timeLimit(.minutes(1))) struct AlertInhibitionTests {
    private typealias Subject = AlertBench.Subject
    private let a = AlertBench.Subject("A", "1")
    private let cause = AlertBench.Subject("Cause", "1")
    private let rules = ["A", "B", "Cause"].map { name in AlertRule(name) { _ in nil } }

    private func bench(_ inhibitions: AlertInhibition..., wait: Int = 0) -> AlertBench {
        AlertBench(rules) {
            $0.inhibitions = inhibitions
            $0.groupWait = .seconds(wait)
        }
    }

    private func inhibition(_ source: String, _ target: String, equal: [String] = ["cluster"]) -> AlertInhibition {
        AlertInhibition([AlertMatcher("alertname", source)], mutes: [AlertMatcher("alertname", target)], equal: equal)
    }

    @Test func `A consequence is sent only if it outlasts its cause by a while`() {
        var bench = bench(inhibition("Cause", "A"), wait: 15)
        bench.held = [a: .warning, cause: .warning]
        bench.run(100)
        #expect(bench.log() == ["fired Cause1"])
        // The rest of a repaired fault.
        bench.held = [a: .warning]
        bench.run(10)
        bench.held = [:]
        bench.run(100)
        #expect(bench.log() == ["fired Cause1", "resolved Cause1"])
        bench.held = [a: .warning, cause: .warning]
        bench.run(100)
        bench.held = [a: .warning]
        bench.run(15)
        #expect(bench.log().dropFirst(2) == ["fired Cause1", "resolved Cause1"])
        bench.run(10)
        #expect(bench.log().last == "fired A1")
    }

    @Test func `A consequence that was sent before its cause stays open without reminders, and its end is sent`() {
        var bench = AlertBench(rules) {
            $0.inhibitions = [inhibition("Cause", "A")]
            $0.repeatInterval = .seconds(60)
            $0.routes = [AlertRoute(to: [.init(["ops"])], matching: [AlertMatcher("alertname", "A")])]
        }
        bench.held = [a: .warning]
        bench.run(10)
        bench.held[cause] = .warning
        bench.run(300)
        bench.held[a] = .critical
        bench.run(300)
        #expect(bench.log() == ["fired A1"])
        #expect(bench.open() == ["A"])
        bench.held[a] = nil
        bench.run(5)
        #expect(bench.log() == ["fired A1", "resolved A1"])
    }

    @Test func `A pending cause mutes nothing, but a silenced one does`() throws {
        let slow = AlertRule("Cause", holdsFor: .seconds(60)) { _ in nil }
        var bench = AlertBench([rules[0], slow]) { $0.inhibitions = [inhibition("Cause", "A")] }
        bench.held = [a: .warning, cause: .warning]
        bench.run(10)
        #expect(bench.log() == ["fired A1"])
        let silence = Silence(
            [AlertMatcher("alertname", "Cause")],
            startsAt: bench.now,
            endsAt: bench.now + 600,
            createdBy: "eve",
            comment: "work"
        )
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        bench.run(60)
        bench.held[Subject("A", "2")] = .warning
        bench.run(60)
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `Cause and consequence agree in the labels that are equal`() {
        var bench = bench(inhibition("Cause", "A", equal: ["cluster", "member"]))
        bench.clusters = ["main", "other"]
        bench.held = [
            cause: .warning, a: .warning, Subject("A", "2"): .warning, Subject("A", "1", in: "other"): .warning,
        ]
        bench.run(10)
        #expect(bench.log().sorted() == ["fired A1", "fired A2", "fired Cause1"])
        let alert = bench.engine.alerts[a.id]?.alert
        let reason = alert.flatMap { bench.engine.reasonForSilence(of: $0, a.id, bench.engine.mutes(at: bench.now)) }
        #expect(reason == "inhibited by Cause")
    }

    @Test func `An alert never mutes itself, and of two that mute each other one is sent`() {
        var bench = bench(inhibition("*", "*"))
        bench.held = [a: .warning]
        bench.run(5)
        #expect(bench.log() == ["fired A1"])
        bench.held = [a: .warning, Subject("B"): .critical]
        bench.run(60)
        #expect(bench.log() == ["fired A1"])
        bench.held = [Subject("B"): .critical]
        bench.run(60)
        #expect(bench.log() == ["fired A1", "fired B", "resolved A1"])
    }

    @Test func `Of two inhibitions against each other, the first one counts`() {
        for order in [["A", "B"], ["B", "A"]] {
            var bench = bench(inhibition(order[0], order[1]), inhibition(order[1], order[0]))
            bench.held = [Subject("A"): .warning, Subject("B"): .warning]
            bench.run(60)
            #expect(bench.log() == ["fired \(order[0])"])
        }
    }

    // MARK: The standard inhibitions

    private func standard(_ codes: [(Finding.Code, member: UInt64?)]) -> [String] {
        var options = AlertCenter.Options()
        options.groupWait = .zero
        options.routes = [AlertRoute(to: [.init(["ops"])], severity: .info)]
        options.rules = AlertRule.findings
        var engine = AlertEngine(options, channels: ["ops": AlertDelivery()])
        var snapshot = MonitorSnapshot.sample()
        snapshot.findings = codes.map { code, member in
            Finding(
                Finding.ID(code, member.map { "\($0)" } ?? ""),
                .degraded,
                "",
                memberID: member.map(Member.ID.init(rawValue:)),
                since: snapshot.time
            )
        }
        _ = engine.evaluate(AlertEngine.sightings(of: options.rules, in: [snapshot]), now: snapshot.time)
        let news = engine.plan(for: "ops", now: snapshot.time).message
        return (news?.notification.items.map(\.alert.name) ?? []).sorted()
    }

    @Test func `A lost quorum, a dead member and a defragmentation mute what follows from them`() {
        let consequences: [(Finding.Code, member: UInt64?)] = [
            (.noLeader, nil), (.memberDown, 1), (.memberDown, 2), (.slowReads, 3), (.failedProposals, 3),
        ]
        #expect(standard(consequences).count == 5)
        #expect(standard(consequences + [(.quorumLost, nil)]) == ["EtcdQuorumLost"])
        #expect(standard([(.memberDown, 1), (.slowReads, 1), (.applyLag, 1)]) == ["EtcdMemberDown"])
        #expect(standard([(.memberDown, 1), (.slowReads, 2)]) == ["EtcdMemberDown", "EtcdSlowReads"])
        #expect(standard([(.defragmenting, 1), (.slowReads, 1), (.slowCommit, 1)]) == ["EtcdDefragmenting"])
        #expect(standard([(.defragmenting, 1), (.slowReads, 2)]) == ["EtcdDefragmenting", "EtcdSlowReads"])
        #expect(standard([(.memberDown, 1), (.alarmNoSpace, nil)]) == ["EtcdAlarmNoSpace", "EtcdMemberDown"])
    }

    @Test func `Of the findings that a member is down, frozen and cut off, one is sent`() {
        #expect(standard([(.memberDown, 1), (.memberFrozen, 1), (.memberIsolated, 1)]) == ["EtcdMemberDown"])
        #expect(standard([(.memberFrozen, 1), (.memberIsolated, 1)]) == ["EtcdMemberFrozen"])
    }

    @Test func `An alert about a member that freezes or dies while it defragments is sent`() {
        #expect(standard([(.defragmenting, 1), (.slowReads, 1), (.memberFrozen, 1)]) == ["EtcdMemberFrozen"])
        #expect(standard([(.defragmenting, 1), (.slowReads, 1), (.memberDown, 1)]) == ["EtcdMemberDown"])
    }

    private let causes: [Finding.Code] = [
        .quorumLost, .foreignCluster, .defragmenting, .memberDown, .memberFrozen, .memberIsolated,
    ]

    @Test func `Of any two findings about a member, at least one is sent`() {
        for first in causes {
            for second in Finding.Code.allCases where second != first {
                #expect(!standard([(first, 1), (second, 1)]).isEmpty, "\(first) and \(second)")
            }
        }
    }

    @Test func `Of any findings about a member that mute others, at least one is sent`() {
        for set in 1..<(1 << causes.count) {
            let codes = causes.enumerated().filter { set & (1 << $0.offset) != 0 }.map(\.element)
            #expect(!standard(codes.map { ($0, 1) }).isEmpty, "\(codes)")
        }
    }
}
