// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: notifications", .unit, .timeLimit(.minutes(1))) struct AlertNotificationTests {
    private typealias Subject = AlertBench.Subject
    private let rules = ["A", "B", "C"].map { name in AlertRule(name) { _ in nil } }
    private let a = AlertBench.Subject("A")
    private let b = AlertBench.Subject("B")

    @Test func `Alerts of a cluster that fire together are in one message`() {
        var bench = AlertBench(rules) { $0.groupWait = .seconds(15) }
        bench.clusters = ["main", "other"]
        bench.held = [a: .warning, Subject("A", in: "other"): .warning]
        bench.run(10)
        bench.held[b] = .critical
        bench.run(5)
        #expect(bench.log() == [])
        bench.run(5)
        let messages = bench.receivers["ops"]?.messages ?? []
        #expect(messages.map(\.cluster) == ["main", "other"])
        #expect(messages.map { $0.items.map(\.alert.name) } == [["B", "A"], ["A"]])
        #expect(messages.map(\.openCount) == [2, 1])
    }

    @Test func `A channel gets one message about a cluster in each interval at most`() {
        var bench = AlertBench(rules) { $0.groupInterval = .seconds(60) }
        bench.held = [a: .warning]
        bench.run(5)
        bench.held = [a: .warning, b: .warning]
        bench.run(5)
        bench.held = [b: .warning]
        bench.run(50)
        #expect(bench.log() == ["fired A"])
        bench.run(5)
        #expect(bench.log() == ["fired A", "fired B", "resolved A"])
        #expect(bench.receivers["ops"]?.messages.last?.openCount == 1)
    }

    @Test func `A new critical alert does not wait for the interval, but one that fires again does`() {
        var bench = AlertBench(rules) { $0.groupInterval = .seconds(60) }
        bench.held = [a: .warning]
        bench.run(5)
        bench.held[b] = .critical
        bench.run(5)
        #expect(bench.log() == ["fired A", "fired B"])
        for _ in 0..<5 {
            bench.held[b] = nil
            bench.run(5)
            bench.held[b] = .critical
            bench.run(5)
        }
        #expect(bench.log() == ["fired A", "fired B"])
        bench.run(10)
        #expect(bench.log() == ["fired A", "fired B", "fired B"])
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `An alert that becomes critical for the first time does not wait for the interval`() {
        var bench = AlertBench(rules) { $0.groupInterval = .seconds(60) }
        bench.held = [a: .warning]
        bench.run(5)
        for severity in [AlertSeverity.critical, .warning, .critical] {
            bench.held = [a: severity]
            bench.run(5)
        }
        #expect(bench.log() == ["fired A", "changed A"])
        bench.held = [a: .warning]
        bench.run(60)
        #expect(bench.log() == ["fired A", "changed A", "changed A"])
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `A channel without grouping gets each message at once`() {
        var bench = AlertBench(rules, channels: ["ops": AlertDelivery(isGrouped: false)]) {
            $0.groupWait = .seconds(15)
            $0.groupInterval = .seconds(60)
        }
        bench.held = [a: .warning]
        bench.run(5)
        #expect(bench.log() == ["fired A"])
        bench.held = [b: .warning]
        bench.run(5)
        #expect(bench.log() == ["fired A", "fired B", "resolved A"])
    }

    @Test func `An alert that ended before a message was sent is never sent`() {
        var bench = AlertBench(rules)
        bench.down = ["ops"]
        bench.held = [a: .critical]
        bench.run(600)
        #expect(bench.engine.waitingAlerts(for: "ops", now: bench.now) == 1)
        bench.held = [:]
        bench.run(10)
        bench.down = []
        bench.run(600)
        #expect(bench.log() == [])
        #expect(bench.engine.waitingAlerts(for: "ops", now: bench.now) == 0)
    }

    @Test func `The end of an alert is sent if the answer to its message was lost`() {
        var bench = AlertBench(rules)
        bench.down = ["ops"]
        bench.losesAnswers = true
        bench.held = [a: .critical]
        bench.run(60)
        bench.losesAnswers = false
        bench.run(60)
        bench.held = [:]
        bench.run(10)
        bench.down = []
        bench.run(10)
        #expect(bench.log() == ["resolved A"])
    }

    @Test(arguments: [false, true])
    func `The end of an alert is sent if the alert ends during an attempt that may have arrived`(
        _ mayHaveArrived: Bool
    ) throws {
        var bench = AlertBench(rules)
        bench.held = [a: .warning]
        bench.evaluate()
        let news = try bench.begin()
        bench.held = [:]
        bench.now += 5
        bench.evaluate()
        bench.engine.markFailure(news, mayHaveArrived: mayHaveArrived)
        bench.run(60)
        #expect(bench.log() == (mayHaveArrived ? ["resolved A"] : []))
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
        #expect(bench.engine.attempts["ops"]?.isEmpty == true)
    }

    @Test func `A channel that was down for ten minutes gets the current state, and other channels are on time`() {
        let channels = ["ops": AlertDelivery(), "other": AlertDelivery()]
        var bench = AlertBench(rules, channels: channels)
        bench.held = [a: .warning, b: .warning]
        bench.run(10)
        bench.down = ["ops"]
        for minute in 0..<10 {
            bench.held = minute % 2 == 0 ? [b: .critical, Subject("C"): .warning] : [a: .warning]
            bench.run(60)
        }
        bench.held = [b: .critical, Subject("C", "2"): .warning]
        bench.run(10)
        #expect(bench.open("other") == ["B", "C"])
        #expect(bench.engine.waitingAlerts(for: "ops", now: bench.now) == 3)
        #expect(bench.engine.openAlerts(for: "ops") == 0)
        bench.down = []
        bench.run(5)
        #expect(bench.log().suffix(3) == ["fired B", "fired C2", "resolved A"])
        #expect(bench.open() == ["B", "C"])
        #expect(bench.receivers["ops"]?.problems == [])
        #expect(bench.engine.waitingAlerts(for: "ops", now: bench.now) == 0)
        #expect(bench.engine.openAlerts(for: "ops") == 2)
    }

    @Test func `A message has the same identity in each attempt, and another message has another`() {
        var bench = AlertBench(rules)
        bench.held = [a: .warning]
        bench.down = ["ops"]
        bench.run(60)
        #expect(bench.refused.count == 12)
        #expect(Set(bench.refused.map(\.id)).count == 1)
        bench.held = [a: .critical]
        bench.run(10)
        bench.held = [a: .critical, b: .critical]
        bench.run(10)
        #expect(Set(bench.refused.map(\.id)).count == 3)
    }

    @Test func `Each message about a long alert has an identity of its own`() {
        let channels = ["ops": AlertDelivery(), "other": AlertDelivery()]
        var bench = AlertBench(rules, channels: channels) { $0.repeatInterval = .seconds(60) }
        for _ in 0..<3 {
            for severity in [AlertSeverity.warning, .critical, .warning, .critical] {
                bench.held = [a: severity]
                bench.run(100)
            }
            bench.held = [:]
            bench.run(10)
        }
        let messages = bench.receivers.values.flatMap(\.messages)
        #expect(messages.count > 40)
        #expect(Set(messages.map(\.id)).count == messages.count)
        #expect(bench.receivers.values.allSatisfy { $0.duplicates == 0 && $0.problems == [] })
    }

    @Test func `Reminders are sent for alerts that go on, but not while there is no data about them`() {
        var bench = AlertBench(rules) { $0.repeatInterval = .seconds(600) }
        bench.receivers["ops"]?.repeatInterval = 600
        bench.held = [a: .warning]
        bench.run(1300)
        #expect(bench.log() == ["fired A", "repeated A", "repeated A"])
        bench.unknown = [a]
        bench.run(1300)
        #expect(bench.log() == ["fired A", "repeated A", "repeated A"])
        bench.unknown = []
        bench.run(5)
        #expect(bench.log().count == 4)
        #expect(bench.receivers["ops"]?.problems == [])
    }

    @Test func `A channel with keep-alive messages gets each alert again, and each end for a while`() {
        let delivery = AlertDelivery(isGrouped: false, keepAlive: .seconds(60), resolvedKeepAlive: .seconds(120))
        var bench = AlertBench(rules, channels: ["ops": delivery])
        bench.held = [a: .warning]
        bench.run(130)
        #expect(bench.log() == ["fired A", "repeated A", "repeated A"])
        // The other system would take silence as the end.
        bench.unknown = [a]
        bench.run(60)
        #expect(bench.log().count == 4)
        bench.unknown = []
        bench.held = [:]
        bench.run(1000)
        #expect(bench.log().dropFirst(4) == ["resolved A", "resolved A"])
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
        #expect(Set(bench.receivers["ops"]?.messages.map(\.id) ?? []).count == 6)
    }

    @Test func `An alert that comes again while its end is still being sent fires anew`() {
        let delivery = AlertDelivery(isGrouped: false, keepAlive: .seconds(60), resolvedKeepAlive: .seconds(600))
        var bench = AlertBench(rules, channels: ["ops": delivery])
        bench.held = [a: .warning]
        bench.run(10)
        bench.held = [:]
        bench.run(100)
        bench.held = [a: .warning]
        bench.run(10)
        #expect(bench.log() == ["fired A", "resolved A", "resolved A", "fired A"])
        #expect(bench.open() == ["A"])
        bench.run(60)
        #expect(bench.log().last == "repeated A")
    }

    @Test func `A channel without messages about ends gets messages about new beginnings`() {
        var bench = AlertBench(rules, channels: ["ops": AlertDelivery(sendsResolved: false)])
        for _ in 0..<2 {
            bench.held = [a: .warning]
            bench.run(10)
            bench.held = [:]
            bench.run(10)
        }
        #expect(bench.log() == ["fired A", "fired A"])
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
    }

    @Test func `The end of an alert that ends while its message is being sent is sent, too`() throws {
        var bench = AlertBench(rules)
        bench.held = [a: .warning]
        bench.poll += 1
        bench.evaluate()
        let news = try bench.begin()
        bench.receivers["ops"]?.receive(news.notification, bench.now)
        bench.held = [:]
        bench.now += 5
        bench.evaluate()
        bench.engine.markDelivered(news, now: bench.now)
        bench.run(5)
        #expect(bench.log() == ["fired A", "resolved A"])
        #expect(bench.receivers["ops"]?.messages.last?.items.first?.alert.resolvedAt == bench.now - 5)
    }

    @Test func `A channel without messages about ends forgets an alert that ended while its message was sent`() throws {
        var bench = AlertBench(rules, channels: ["ops": AlertDelivery(sendsResolved: false)])
        bench.held = [a: .warning]
        bench.evaluate()
        let news = try bench.begin()
        bench.held = [:]
        bench.evaluate()
        bench.engine.markDelivered(news, now: bench.now)
        #expect(bench.engine.notified["ops"]?.isEmpty == true)
    }

    @Test func `An alert that begins anew while its message is being sent stays open with its new time`() throws {
        var bench = AlertBench(rules)
        bench.held = [a: .warning]
        bench.evaluate()
        let news = try bench.begin()
        bench.receivers["ops"]?.receive(news.notification, bench.now)
        for held in [[:], [a: AlertSeverity.warning]] {
            bench.held = held
            bench.now += 5
            bench.evaluate()
        }
        bench.engine.markDelivered(news, now: bench.now)
        bench.run(5)
        #expect(bench.log() == ["fired A", "fired A"])
        #expect(bench.receivers["ops"]?.open[a.id]?.firingSince == bench.now - 5)
        bench.held = [:]
        bench.run(10)
        #expect(bench.log() == ["fired A", "fired A", "resolved A"])
    }

    @Test func `The engine knows when the next message is due`() {
        var bench = AlertBench(rules) {
            $0.groupWait = .seconds(15)
            $0.groupInterval = .seconds(60)
            $0.repeatInterval = .seconds(600)
        }
        #expect(bench.engine.plan(for: "ops", now: bench.now).next == nil)
        bench.held = [a: .warning]
        bench.run(5)
        let start = bench.now
        #expect(bench.engine.plan(for: "ops", now: start).next == start + 15)
        bench.run(15)
        #expect(bench.engine.plan(for: "ops", now: bench.now).next == start + 15 + 600)
        bench.held = [:]
        bench.run(5)
        #expect(bench.engine.plan(for: "ops", now: bench.now).next == start + 15 + 60)
    }

    @Test func `Clusters take turns in a channel`() throws {
        var bench = AlertBench(rules)
        bench.clusters = ["a", "b", "c"]
        bench.held = Dictionary(uniqueKeysWithValues: bench.clusters.map { (Subject("A", in: $0), .warning) })
        bench.evaluate()
        var turns: [String] = []
        for _ in 0..<6 {
            let news = try #require(bench.engine.plan(for: "ops", after: turns.last, now: bench.now).message)
            turns.append(news.notification.cluster)
        }
        #expect(turns == ["a", "b", "c", "a", "b", "c"])
    }

    @Test func `Thousands of alerts and a channel that is down for weeks need bounded memory`() {
        var bench = AlertBench(rules, channels: ["ops": AlertDelivery()]) { $0.historyLimit = 100 }
        let subjects = (0..<500).map { Subject("A", "\($0)") }
        bench.held = Dictionary(uniqueKeysWithValues: subjects.map { ($0, .warning) })
        bench.tick()
        #expect(bench.open().count == 500)
        bench.down = ["ops"]
        bench.held = [:]
        bench.tick()
        #expect(bench.engine.waitingAlerts(for: "ops", now: bench.now) == 500)
        #expect(bench.engine.history.count == 100)
        #expect(bench.engine.identities.isEmpty)
        for round in 0..<20 {
            bench.held = Dictionary(
                uniqueKeysWithValues: (0..<100).map { (Subject("A", "\(round)/\($0)"), .warning) }
            )
            bench.now += 86_400
            bench.tick()
            #expect(bench.engine.alerts.count == 100)
            #expect(bench.engine.identities.count == 100)
            // Ends wait for a week.
            #expect(bench.engine.notified["ops"]?.count == (round < 7 ? 500 : 0))
        }
    }
}
