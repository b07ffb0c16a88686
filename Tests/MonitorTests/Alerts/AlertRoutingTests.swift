// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: routes, escalation and the failure of channels", .unit, .timeLimit(.minutes(1)))
struct AlertRoutingTests {
    private let a = AlertBench.Subject("A")
    private let b = AlertBench.Subject("B")
    private let rules = [AlertRule("A") { _ in nil }, AlertRule("B") { _ in nil }]
    private let channels = ["chat": AlertDelivery(), "mail": AlertDelivery(), "pager": AlertDelivery()]

    private func bench(_ routes: [AlertRoute]?) -> AlertBench {
        AlertBench(rules, channels: channels) { $0.routes = routes }
    }

    private func told(_ bench: AlertBench) -> [String: [String]] {
        bench.receivers.mapValues(\.log).filter { !$0.value.isEmpty }
    }

    @Test func `Without routes, all channels get warnings and worse`() {
        var bench = bench(nil)
        bench.held = [a: .warning, b: .info]
        bench.run(10)
        #expect(told(bench) == ["chat": ["fired A"], "mail": ["fired A"], "pager": ["fired A"]])
    }

    @Test func `With an empty list of routes, nothing is sent`() {
        var bench = bench([])
        bench.held = [a: .critical]
        bench.run(600)
        #expect(told(bench) == [:])
    }

    @Test func `An alert takes the first route that matches, and later ones if that route continues`() {
        var bench = bench([
            AlertRoute(to: [.init(["pager"])], severity: .critical),
            AlertRoute(to: [.init(["mail"])], matching: [AlertMatcher("alertname", "A")], continues: true),
            AlertRoute(to: [.init(["chat"])], severity: .info),
        ])
        bench.held = [a: .warning, b: .info]
        bench.run(10)
        #expect(told(bench) == ["chat": ["fired A", "fired B"], "mail": ["fired A"]])
        bench.held = [a: .warning, b: .critical]
        bench.run(10)
        // The route of the new severity is added; channels that know the alert get its change.
        #expect(bench.log("pager") == ["fired B"])
        #expect(bench.log("chat") == ["fired A", "fired B", "changed B"])
        bench.held = [:]
        bench.run(10)
        #expect(bench.receivers.values.allSatisfy { $0.open.isEmpty && $0.problems == [] })
    }

    @Test func `Steps of an escalation are sent after their time, and not if the alert is over or silenced`() throws {
        let steps = [
            AlertRoute.Step(["chat"]), AlertRoute.Step(["mail"], after: .seconds(300)),
            AlertRoute.Step(["pager"], after: .seconds(900)),
        ]
        var bench = bench([AlertRoute(to: steps)])
        bench.held = [a: .warning]
        bench.run(5)
        let start = bench.now
        bench.run(295)
        #expect(bench.log("mail") == [])
        bench.run(5)
        #expect(bench.log("mail") == ["fired A"])
        bench.run(590)
        #expect(bench.log("pager") == [])
        let silence = Silence(
            [AlertMatcher("alertname", "A")],
            startsAt: bench.now,
            endsAt: bench.now + 600,
            createdBy: "eve",
            comment: "I see it"
        )
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        bench.run(590)
        #expect(bench.log("pager") == [])
        bench.run(20)
        #expect(bench.log("pager") == ["fired A"])
        #expect(bench.receivers["pager"]?.open[a.id]?.firingSince == start)
        bench.held = [:]
        bench.run(5)
        bench.held = [b: .warning]
        bench.run(200)
        bench.held = [:]
        bench.run(1000)
        #expect(bench.log("chat") == ["fired A", "resolved A", "fired B", "resolved B"])
        #expect(bench.log("mail") == ["fired A", "resolved A"])
        #expect(bench.log("pager") == ["fired A", "resolved A"])
    }

    @Test func `A channel in two steps and two routes gets one message, at the earliest time and interval`() {
        var bench = bench([
            AlertRoute(
                to: [.init(["chat"], after: .seconds(60)), .init(["chat", "chat"], after: .seconds(30))],
                repeatInterval: .seconds(900),
                continues: true
            ),
            AlertRoute(to: [.init(["chat"], after: .seconds(120))], repeatInterval: .seconds(600)),
        ])
        bench.held = [a: .warning]
        bench.run(30)
        #expect(bench.log("chat") == [])
        bench.run(5)
        #expect(bench.log("chat") == ["fired A"])
        bench.run(600)
        #expect(bench.log("chat") == ["fired A", "repeated A"])
    }

    @Test func `An alert that loses its route stays open, and its end is sent`() {
        var bench = bench([AlertRoute(to: [.init(["pager"])], severity: .critical, repeatInterval: .seconds(60))])
        bench.held = [a: .critical]
        bench.run(10)
        bench.held = [a: .warning]
        bench.run(600)
        #expect(bench.log("pager") == ["fired A", "changed A"])
        bench.held = [:]
        bench.run(10)
        #expect(bench.log("pager") == ["fired A", "changed A", "resolved A"])
    }

    @Test func `A channel that fails for five minutes is an alert for the others`() {
        var bench = bench(nil)
        bench.failures = [AlertEngine.ChannelFailure(channel: "chat", attempts: 3, reason: "refused")]
        bench.run(300)
        #expect(told(bench) == [:])
        bench.run(10)
        #expect(
            told(bench) == ["mail": ["fired EtcdMonitorChannelFailed"], "pager": ["fired EtcdMonitorChannelFailed"]]
        )
        #expect(bench.engine.openAlerts.first?.labels["channel"] == "chat")
        #expect(bench.engine.openAlerts.first?.severity == .warning)
        bench.failures = []
        bench.run(5)
        #expect(bench.log("mail") == ["fired EtcdMonitorChannelFailed", "resolved EtcdMonitorChannelFailed"])
    }

    @Test func `Alerts are sorted: firing before pending, then by severity, then by age`() {
        let rules = ["A", "B", "C", "D"].map { name in
            AlertRule(name, holdsFor: name == "D" ? .seconds(60) : .zero) { _ in nil }
        }
        var bench = AlertBench(rules)
        bench.held = [AlertBench.Subject("D"): .critical, AlertBench.Subject("B", "2"): .warning]
        bench.run(5)
        bench.held[AlertBench.Subject("A")] = .warning
        bench.held[AlertBench.Subject("B", "1")] = .warning
        bench.held[AlertBench.Subject("C")] = .critical
        bench.run(5)
        let names = bench.engine.openAlerts.map { $0.name + ($0.labels["member"] ?? "") }
        #expect(names == ["C", "B2", "A", "B1", "D"])
    }
}
