// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertCenter: restarts of the monitor", .unit, .timeLimit(.minutes(1))) struct AlertRestartTests {
    private let subject = AlertBench.Subject("A", "1")

    private func bench(
        holdsFor hold: Int = 0,
        keepsFiringFor keep: Int = 0,
        _ change: (inout AlertCenter.Options) -> Void = { _ in }
    ) -> AlertBench {
        AlertBench([AlertRule("A", holdsFor: .seconds(hold), keepsFiringFor: .seconds(keep)) { _ in nil }], change)
    }

    /// A restart after which the rules need three polls to find again what there is.
    private func restart(_ bench: inout AlertBench) throws {
        let held = bench.held
        try bench.restart()
        bench.held = [:]
        bench.run(15)
        bench.held = held
    }

    @Test func `A pending alert goes on from when it began`() throws {
        var bench = bench(holdsFor: 60)
        bench.held = [subject: .warning]
        bench.run(30)
        try restart(&bench)
        bench.run(15)
        #expect(bench.state(subject) == "P")
        bench.run(10)
        #expect(bench.state(subject) == "F")
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `A pending alert that is over vanishes after the grace`() throws {
        var bench = bench(holdsFor: 600)
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        try bench.restart()
        bench.run(60)
        #expect(bench.state(subject) == "P")
        bench.run(70)
        #expect(bench.state(subject) == "-")
        #expect(bench.log() == [])
    }

    @Test func `An alert that was not sent before a restart is sent once after it`() throws {
        var bench = bench { $0.groupWait = .seconds(60) }
        bench.held = [subject: .warning]
        bench.run(30)
        #expect(bench.log() == [])
        try restart(&bench)
        bench.run(120)
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `An alert that was not sent before a restart, and is over, is never sent`() throws {
        var bench = bench { $0.groupWait = .seconds(60) }
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        try bench.restart()
        bench.run(600)
        #expect(bench.log() == [])
        #expect(bench.state(subject) == "-")
    }

    @Test func `An alert that was sent is not sent again, and its end once`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        for _ in 0..<3 {
            try restart(&bench)
            bench.run(60)
        }
        #expect(bench.log() == ["fired A1"])
        bench.held = [:]
        bench.run(10)
        try bench.restart()
        bench.run(600)
        #expect(bench.log() == ["fired A1", "resolved A1"])
    }

    @Test func `The end of an alert is sent if the alert ends while the monitor is down`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        try bench.restart()
        bench.run(100)
        #expect(bench.log() == ["fired A1"])
        bench.run(30)
        #expect(bench.log() == ["fired A1", "resolved A1"])
    }

    @Test func `The grace lasts some polls, however slow they are`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        try bench.restart()
        bench.run(300, step: 60)
        #expect(bench.state(subject) == "F")
        bench.run(60, step: 60)
        #expect(bench.state(subject) == "-")
    }

    @Test func `While there is no data after a restart, alerts stay as they are`() throws {
        var bench = bench { $0.repeatInterval = .seconds(60) }
        bench.held = [subject: .warning]
        bench.run(30)
        bench.unknown = [AlertBench.Subject("A")]
        try bench.restart()
        bench.run(1200)
        #expect(bench.state(subject) == "F")
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `An end that was not sent before a restart is sent after it`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        bench.down = ["ops"]
        bench.held = [:]
        bench.run(10)
        try bench.restart()
        bench.run(10)
        #expect(bench.log() == ["fired A1"])
        bench.down = []
        bench.run(5)
        #expect(bench.log() == ["fired A1", "resolved A1"])
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
    }

    @Test func `A repeat comes on time over restarts`() throws {
        var bench = bench { $0.repeatInterval = .seconds(600) }
        bench.receivers["ops"]?.repeatInterval = 600
        bench.held = [subject: .warning]
        for _ in 0..<10 {
            bench.run(185)
            try restart(&bench)
        }
        // 2,000 seconds.
        #expect(bench.log() == ["fired A1", "repeated A1", "repeated A1", "repeated A1"])
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `A silence holds over restarts`() throws {
        var bench = bench()
        let silence = Silence(
            [AlertMatcher("alertname", "A")],
            startsAt: bench.now,
            endsAt: bench.now + 600,
            createdBy: "eve",
            comment: "work"
        )
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        bench.held = [subject: .warning]
        bench.run(100)
        try restart(&bench)
        bench.run(450)
        #expect(bench.log() == [])
        #expect(bench.engine.auditRecords.map(\.action) == ["silence.add"])
        bench.run(100)
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `An inhibition holds over restarts, also if cause and consequence are found again late`() throws {
        var bench = AlertBench([AlertRule("A") { _ in nil }, AlertRule("Cause") { _ in nil }]) {
            $0.inhibitions = [
                AlertInhibition([AlertMatcher("alertname", "Cause")], mutes: [AlertMatcher("alertname", "A")])
            ]
        }
        let cause = AlertBench.Subject("Cause")
        bench.held = [subject: .warning, cause: .warning]
        bench.run(30)
        try bench.restart()
        // The consequence is found again first.
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [subject: .warning, cause: .warning]
        bench.run(300)
        #expect(bench.log() == ["fired Cause"])
    }

    @Test func `An escalation goes on over restarts`() throws {
        let options = { (options: inout AlertCenter.Options) in
            options.routes = [
                AlertRoute(to: [AlertRoute.Step(["ops"]), AlertRoute.Step(["pager"], after: .seconds(900))])
            ]
        }
        var bench = AlertBench(channels: ["ops": AlertDelivery(), "pager": AlertDelivery()], options)
        bench.held = [subject: .warning]
        for _ in 0..<4 {
            bench.run(200)
            try restart(&bench)
        }
        #expect(bench.log() == ["fired A1"])
        #expect(bench.log("pager") == [])
        bench.run(60)
        #expect(bench.log("pager") == ["fired A1"])
        try restart(&bench)
        bench.run(900)
        #expect(bench.log() == ["fired A1"])
        #expect(bench.log("pager") == ["fired A1"])
    }

    @Test func `An alert that is kept firing does not begin anew`() throws {
        var bench = bench(keepsFiringFor: 300)
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [:]
        bench.run(100)
        try bench.restart()
        bench.run(150)
        #expect(bench.state(subject) == "F")
        bench.run(60)
        #expect(bench.state(subject) == "-")
        #expect(bench.log() == ["fired A1", "resolved A1"])
    }

    @Test func `Alerts of a rule that the new settings do not have are over`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        var options = bench.options
        options.rules = [AlertRule("B") { _ in nil }]
        try bench.restart(options)
        bench.run(5)
        #expect(bench.log() == ["fired A1", "resolved A1"])
        #expect(bench.engine.alerts.isEmpty)
    }

    @Test func `Alerts of a channel that the new settings do not have are forgotten`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        try bench.restart(channels: ["other": AlertDelivery()])
        #expect(bench.engine.notified.isEmpty)
        #expect(bench.engine.lastNotified.isEmpty)
    }

    /// Goes on up to the next message, and crashes after it has gone out and before that is noted.
    private func crash(_ bench: inout AlertBench) throws {
        var news: AlertMessage?
        while news == nil {
            bench.now += 5
            bench.poll += 1
            bench.evaluate()
            news = bench.engine.planAttempt(for: "ops", now: bench.now).message
        }
        guard let news else { return }
        bench.receivers["ops"]?.receive(news.notification, bench.now)
        try bench.restart()
    }

    @Test func `The end of an alert that ends after a crash during its message is sent`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        try crash(&bench)
        bench.held = [:]
        bench.run(300)
        #expect(bench.log() == ["fired A1", "resolved A1"])
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
    }

    @Test func `After a crash during the message of a new beginning, the end of the old one is not sent`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        bench.down = ["ops"]
        bench.held = [:]
        bench.run(10)
        bench.held = [subject: .warning]
        try crash(&bench)
        bench.down = []
        bench.unknown = [AlertBench.Subject("A")]
        bench.run(60)
        bench.unknown = []
        bench.run(60)
        // The same message came twice.
        #expect(bench.log() == ["fired A1", "fired A1"])
        #expect(bench.open() == ["A"])
        bench.held = [:]
        bench.run(10)
        #expect(bench.open() == [])
    }

    @Test func `After a crash during the message of a new severity, the severity is sent again`() throws {
        var bench = bench()
        bench.held = [subject: .warning]
        bench.run(30)
        bench.held = [subject: .critical]
        try crash(&bench)
        #expect(bench.receivers["ops"]?.open[subject.id]?.severity == .critical)
        bench.held = [subject: .warning]
        bench.run(30)
        #expect(bench.receivers["ops"]?.open[subject.id]?.severity == .warning)
    }

    @Test func `A crash between delivery and saving sends the same message again, with the same identity`() throws {
        var bench = bench { $0.repeatInterval = .seconds(600) }
        bench.held = [subject: .warning]
        for expected in ["fired A1", "repeated A1", "resolved A1"] {
            try crash(&bench)
            #expect(bench.log().last == expected)
            bench.run(20)
            if expected == "repeated A1" { bench.held = [:] }
        }
        #expect(bench.log() == ["fired A1", "repeated A1", "resolved A1"])
        #expect(bench.receivers["ops"]?.duplicates == 3)
    }
}
