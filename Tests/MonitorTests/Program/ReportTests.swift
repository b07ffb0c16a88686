// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("The output of etcd-monitor", .unit)
struct ReportTests {
    /// A cluster of which one member is gone.
    private static func snapshot() -> MonitorSnapshot {
        let start = Date(timeIntervalSince1970: 1_790_000_000)
        var snapshot = MonitorSnapshot()
        snapshot.cluster = "prod"
        snapshot.poll = 3
        snapshot.time = start + 60
        snapshot.verdict = .degraded
        snapshot.quorum.state = .available
        snapshot.quorum.voters = 3
        snapshot.quorum.healthyVoters = 2
        snapshot.leader = Leader(memberID: "8e9e05c52164694d", name: "etcd-0", term: 7, since: start)
        for (index, name) in ["etcd-0", "etcd-1"].enumerated() {
            var member = MemberSnapshot()
            member.id = "8e9e05c52164694\(index)"
            member.name = name
            member.endpoint = "10.0.0.\(index):2379"
            member.role = index == 0 ? .leader : .follower
            member.verdict = .ok
            member.version = "3.5.30"
            member.metrics[.databaseBytes] = 25_165_824
            member.probes["serializable-read"] = ProbeResult(seconds: 0.00042)
            member.probes["linearizable-read"] = ProbeResult(seconds: 0.0123)
            snapshot.members.append(member)
        }
        var missing = MemberSnapshot()
        missing.id = "8e9e05c521646942"
        missing.name = "etcd-2"
        missing.endpoint = "10.0.0.2:2379"
        missing.role = .follower
        missing.verdict = .critical
        missing.probes["serializable-read"] = ProbeResult(failure: ProbeFailure(.refused, "nobody listens"))
        missing.probes["linearizable-read"] = ProbeResult(failure: ProbeFailure(.timedOut, "no answer"))
        snapshot.members.append(missing)
        snapshot.findings = [
            Finding(
                Finding.ID(.memberDown, "8e9e05c521646942"),
                .degraded,
                "etcd-2 answers nothing, and the leader hears nothing of it",
                since: start + 50,
                evidence: ["polls": 3, "silence_seconds": 10.25]
            )
        ]
        return snapshot
    }

    @Test("a report is a table of members, and the findings with their evidence and advice")
    func report() {
        var text = Report(snapshot: Self.snapshot(), terminal: Terminal(isColoured: false)).text
        // The advice has words of its own, which may change.
        let advice = Finding.Code.memberDown.advice
        if !advice.isEmpty {
            text = text.replacing("\n" + "Advice: \(advice)".wrapped(to: 100, indentation: 12), with: "")
        }
        #expect(
            text == """
                prod: degraded at 2026-09-21T14:14:20Z
                  quorum  available: 2 of 3 voters work, no further failure tolerated
                  leader  etcd-0 (8e9e05c52164694d) in term 7, since 2026-09-21T14:13:20Z at the latest

                  MEMBER  ROLE      VERDICT   VERSION  DATABASE  READ     MAJORITY READ  ENDPOINT
                  etcd-0  leader    ok        3.5.30   24 MiB    0.42 ms  12.3 ms        10.0.0.0:2379
                  etcd-1  follower  ok        3.5.30   24 MiB    0.42 ms  12.3 ms        10.0.0.1:2379
                  etcd-2  follower  critical  -        -         refused  timedOut       10.0.0.2:2379

                  degraded  member-down:8e9e05c521646942
                            etcd-2 answers nothing, and the leader hears nothing of it
                            since 2026-09-21T14:14:10Z, polls 3, silence_seconds 10.2
                """
        )
    }

    @Test("colours change nothing but the colour")
    func colour() {
        let plain = Report(snapshot: Self.snapshot(), terminal: Terminal(isColoured: false)).text
        let coloured = Report(snapshot: Self.snapshot(), terminal: Terminal(isColoured: true)).text
        #expect(coloured.contains("\u{1b}[31mcritical\u{1b}[0m"))
        #expect(coloured.contains("\u{1b}[33mdegraded"))
        #expect(coloured.replacing(/\u{1b}\[\d+m/, with: "") == plain)
    }

    @Test("an output that is not a terminal has no colour")
    func noTerminal() {
        // The output of tests may be a terminal.
        #expect(!Terminal.standard(isForErrors: false, environment: ["NO_COLOR": "1"]).isColoured)
        #expect(!Terminal.standard(isForErrors: false, environment: ["TERM": "dumb"]).isColoured)
    }

    @Test("an empty snapshot has a report, too")
    func empty() {
        let text = Report(snapshot: MonitorSnapshot(), terminal: Terminal(isColoured: false)).text
        #expect(text.contains(": unknown at"))
        #expect(text.contains("leader  none"))
    }

    @Test("sizes and numbers have their significant digits")
    func numbers() {
        #expect(
            [0, 1, 1023, 1024, 1_500_000, 1e15].map(Report.size) == [
                "0 B", "1 B", "1023 B", "1 KiB", "1.43 MiB", "909 TiB",
            ]
        )
        #expect(
            [0.00012345, 1.5, 10.25, 999.6, 12_345_678].map(Report.number) == [
                "0.000123", "1.5", "10.2", "1000", "12345678",
            ]
        )
    }

    @Test("each change of findings is a line, and unchanged findings have none")
    func log() {
        var log = FindingLog(Terminal(isColoured: false), namesCluster: false)
        var snapshot = Self.snapshot()
        #expect(
            log.lines(for: snapshot) == [
                "2026-09-21T14:14:20Z  degraded  3 members, leader etcd-0",
                "2026-09-21T14:14:20Z  degraded  member-down:8e9e05c521646942: etcd-2 answers nothing, and the leader hears nothing of it",
            ]
        )
        snapshot.time += 5
        snapshot.findings[0].evidence["polls"] = 4
        #expect(log.lines(for: snapshot) == [])
        snapshot.findings[0].verdict = .critical
        #expect(log.lines(for: snapshot).map { $0.hasPrefix("2026-09-21T14:14:25Z  critical  member-down:") } == [true])
        snapshot.findings = []
        snapshot.time += 5
        #expect(
            log.lines(for: snapshot) == [
                "2026-09-21T14:14:30Z  ok        member-down:8e9e05c521646942: ended after 20 s"
            ]
        )
        #expect(log.lines(for: snapshot) == [])
    }

    @Test("with several clusters, a line names its own")
    func logOfSeveral() {
        var log = FindingLog(Terminal(isColoured: false), namesCluster: true)
        #expect(log.lines(for: Self.snapshot()).allSatisfy { $0.contains("  degraded  prod: ") })
    }

    @Test("a checklist has its evidence, and advice where it is needed")
    func checklist() throws {
        let json = """
            {"cluster": "prod", "time": 811692800, "outcome": "fail", "checks": [
              {"id": "a", "title": "Three voters", "outcome": "pass", "evidence": "3 voters"},
              {"id": "b", "title": "TLS", "outcome": "fail", "evidence": "Plaintext.", "advice": "Switch it on."}]}
            """
        let report = try JSONDecoder().decode(ReadinessReport.self, from: Data(json.utf8))
        #expect(
            Terminal(isColoured: false).text(of: report) == """
                prod: fail for production, at 2026-09-21T14:13:20Z
                  pass     Three voters
                           3 voters
                  fail     TLS
                           Plaintext.
                           Advice: Switch it on.
                """
        )
    }

    @Test("long texts are wrapped, and long words are not cut")
    func wrapping() {
        #expect("one two three".wrapped(to: 9, indentation: 2) == "  one two\n  three")
        #expect("incomprehensibilities a".wrapped(to: 5, indentation: 1) == " incomprehensibilities\n a")
    }
}
