// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: states", .unit, .timeLimit(.minutes(1))) struct AlertStateTests {
    private let subject = AlertBench.Subject("A", "1")

    /// The states after polls ten seconds apart: `x` where the rule holds, `.` where not, `?` where it is unknown.
    private func states(of polls: String, holdsFor hold: Int = 0, keepsFiringFor keep: Int = 0) -> String {
        let rule = AlertRule("A", holdsFor: .seconds(hold), keepsFiringFor: .seconds(keep)) { _ in nil }
        var bench = AlertBench([rule])
        return polls.map { poll in
            bench.held = poll == "x" ? [subject: .warning] : [:]
            bench.unknown = poll == "?" ? [AlertBench.Subject("A")] : []
            bench.run(10, step: 10)
            return bench.state(subject)
        }.joined()
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var polls: String
        var hold = 0
        var keep = 0
        var states: String
        var testDescription: String { "\(polls) for \(hold) s, kept for \(keep) s" }
    }

    static let table = [
        Row(polls: ".xxx..", states: "-FFF--"),
        Row(polls: ".xxxx.", hold: 20, states: "-PPFF-"),
        Row(polls: ".xxx..", hold: 25, states: "-PPP--"),
        Row(polls: "xx.xxx", hold: 20, states: "PP-PPF"),
        Row(polls: "xx....x", keep: 25, states: "FFFFF-F"),
        Row(polls: "x..x...", keep: 25, states: "FFFFFFF"),
        Row(polls: "x.....", keep: 25, states: "FFFF--"),
        Row(polls: "x???.", states: "FFFF-"),
        Row(polls: "xx?x", hold: 30, states: "PPPF"),
        Row(polls: "xx??", hold: 20, states: "PPPP"),
        Row(polls: "??x", states: "--F"),
        Row(polls: "x.??????x", keep: 30, states: "FFFFFFFFF"),
        Row(polls: "x.??????.", keep: 30, states: "FFFFFFFF-"),
    ]

    @Test("An alert goes from state to state as its rule holds", arguments: table)
    func row(_ row: Row) {
        #expect(states(of: row.polls, holdsFor: row.hold, keepsFiringFor: row.keep) == row.states)
    }

    @Test func `Each change is reported once, and a pending alert vanishes without a report`() {
        var bench = AlertBench([AlertRule("A", holdsFor: .seconds(20)) { _ in nil }])
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        bench.run(10)
        bench.held = [subject: .warning]
        bench.run(10)
        bench.held = [:]
        bench.run(10)
        #expect(bench.changes.map(\.state) == [.pending, .firing, .resolved, .pending])
        #expect(bench.engine.history.count == 1)
        #expect(bench.engine.openAlerts.isEmpty)
    }

    @Test func `Figures and words are refreshed, and the identity stays`() throws {
        let rule = AlertRule("A") { snapshot in
            [
                AlertRule.Match(
                    summary: "poll \(snapshot.poll)",
                    runbook: "Docs/Monitoring.md#a",
                    figures: ["poll": Double(snapshot.poll)]
                )
            ]
        }
        var options = AlertCenter.Options()
        options.rules = [rule]
        options.runbookBase = "https://docs.example/m"
        var engine = AlertEngine(options, channels: [:])
        var ids: Set<Alert.ID> = []
        for poll in 1...3 {
            let sightings = AlertEngine.sightings(of: [rule], in: [.sample("main", poll: poll)])
            let changes = engine.evaluate(sightings, now: Date(timeIntervalSince1970: Double(poll)))
            #expect(changes.count == (poll == 1 ? 1 : 0))
            let alert = try #require(engine.openAlerts.first)
            ids.insert(alert.id)
            #expect(alert.summary == "poll \(poll)")
            #expect(alert.figures == ["poll": Double(poll)])
            #expect(alert.runbook == "https://docs.example/m#a")
            #expect(alert.firingSince == Date(timeIntervalSince1970: 1))
        }
        #expect(ids.count == 1)
    }

    @Test func `A change of the severity is a change of the same alert`() throws {
        var bench = AlertBench()
        bench.held = [subject: .warning]
        bench.run(10)
        bench.held = [subject: .critical]
        bench.run(10)
        #expect(bench.alert(subject)?.pastSeverities == [.warning])
        bench.held = [subject: .info]
        bench.run(10)
        bench.held = [subject: .warning]
        bench.run(10)
        let alert = try #require(bench.alert(subject))
        #expect(alert.severity == .warning)
        #expect(alert.pastSeverities == [.critical, .info])
        #expect(bench.changes.map(\.severity) == [.warning, .critical, .info, .warning])
        #expect(bench.log() == ["fired A1", "changed A1", "changed A1", "changed A1"])
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `Of two matches of one subject, the worse counts`() throws {
        let matches = [AlertSeverity.info, .critical, .warning].map { AlertRule.Match(severity: $0, summary: "\($0)") }
        let rule = AlertRule("A") { _ in matches }
        var engine = AlertEngine(AlertBench([rule]).options, channels: [:])
        let changes = engine.evaluate(AlertEngine.sightings(of: [rule], in: [.sample()]), now: Date())
        #expect(changes.map(\.summary) == ["critical"])
        #expect(engine.openAlerts.map(\.severity) == [.critical])
    }

    @Test func `A subject without data freezes its own alert only`() {
        let known = AlertRule.Match(labels: ["member": "2"], summary: "")
        let both = AlertRule("A") { snapshot in
            snapshot.poll == 1
                ? [AlertRule.Match(labels: ["member": "1"], summary: ""), known] : [.unknown(["member": "1"])]
        }
        var engine = AlertEngine(AlertBench([both]).options, channels: [:])
        for poll in 1...2 {
            _ = engine.evaluate(
                AlertEngine.sightings(of: [both], in: [.sample("main", poll: poll)]),
                now: Date(timeIntervalSince1970: Double(poll) * 10)
            )
        }
        #expect(engine.openAlerts.map { $0.labels["member"] } == ["1"])
        #expect(engine.history.map { $0.labels["member"] } == ["2"])
    }

    @Test func `Alerts of a cluster that is gone are over, even if they stay firing for a while`() {
        var bench = AlertBench([AlertRule("A", keepsFiringFor: .seconds(600)) { _ in nil }])
        bench.clusters = ["main", "other"]
        bench.held = [subject: .warning, AlertBench.Subject("A", "1", in: "other"): .warning]
        bench.run(10)
        #expect(bench.open() == ["A", "A"])
        bench.clusters = ["other"]
        bench.run(5)
        #expect(bench.open() == ["A"])
        #expect(bench.engine.openAlerts.map(\.cluster) == ["other"])
    }

    @Test func `A clock that was set back makes no time negative, and none endless`() {
        let rule = AlertRule("A", holdsFor: .seconds(60), keepsFiringFor: .seconds(60)) { _ in nil }
        var bench = AlertBench([rule]) { $0.repeatInterval = .seconds(120) }
        bench.held = [subject: .warning]
        bench.run(30)
        bench.now -= 86_400
        bench.run(55)
        #expect(bench.state(subject) == "P")
        bench.run(10)
        #expect(bench.state(subject) == "F")
        bench.now -= 86_400
        bench.run(115)
        #expect(bench.log() == ["fired A1"])
        bench.run(10)
        #expect(bench.log() == ["fired A1", "repeated A1"])
        bench.held = [:]
        bench.run(30)
        bench.now -= 86_400
        bench.run(50)
        #expect(bench.state(subject) == "F")
        bench.run(15)
        #expect(bench.state(subject) == "-")
        #expect(bench.log() == ["fired A1", "repeated A1", "resolved A1"])
    }

    @Test func `An alert that fires again at the same time of a clock that was set back is another one`() {
        var bench = AlertBench()
        bench.held = [subject: .warning]
        bench.run(5)
        bench.down = ["ops"]
        bench.held = [:]
        bench.run(5)
        bench.now -= 10
        bench.down = []
        bench.held = [subject: .warning]
        bench.run(5)
        #expect(bench.log() == ["fired A1", "fired A1"])
        #expect(bench.receivers["ops"]?.duplicates == 0)
        #expect(bench.open() == ["A"])
    }

    @Test func `Extreme times do not trap`() {
        var bench = AlertBench([
            AlertRule("A", holdsFor: .seconds(Int64.max), keepsFiringFor: .seconds(-5)) { _ in nil }
        ]) {
            $0.groupWait = .seconds(Int64.max)
            $0.repeatInterval = .seconds(Int64.max)
            $0.routes = [AlertRoute(to: [AlertRoute.Step(["ops"], after: .seconds(Int64.max))])]
        }
        bench.held = [subject: .warning]
        for time in [Date.distantPast, .distantFuture, Date(timeIntervalSince1970: 0), .distantFuture] {
            bench.now = time
            bench.tick()
            #expect(bench.state(subject) != "-")
        }
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `Of a rule with too many matches, the worst are kept`() {
        let limit = AlertEngine.mostMatches
        let matches = (0..<limit + 500).map { number in
            AlertRule.Match(
                labels: ["member": "\(number)"],
                severity: number < limit ? .warning : .critical,
                summary: String(repeating: "x", count: 20_000)
            )
        }
        let rule = AlertRule("A") { _ in matches }
        var engine = AlertEngine(AlertBench([rule]).options, channels: [:])
        _ = engine.evaluate(AlertEngine.sightings(of: [rule], in: [.sample()]), now: Date())
        #expect(engine.alerts.count == limit)
        #expect(engine.openAlerts.count { $0.severity == .critical } == 500)
        #expect(engine.openAlerts.allSatisfy { $0.summary.unicodeScalars.count == AlertEngine.longestText })
    }

    @Test func `No two sets of labels have one identity`() {
        let labels = [
            ["a": "b", "c": "d"], ["a": "bc", "": "d"], ["a": "b\u{0}c\u{0}d"], ["ab": "cd"], ["a": "b1 c1 d"],
            ["a": "b", "c": ""], ["a": "b"], [:],
        ]
        #expect(Set(labels.map(Alert.id(of:))).count == labels.count)
        let id = Alert.id(of: ["x": "1"])
        #expect(id.count == 64 && id.allSatisfy(\.isHexDigit))
    }
}
