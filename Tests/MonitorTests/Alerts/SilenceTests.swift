// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: silences", .unit, .timeLimit(.minutes(1))) struct SilenceTests {
    private typealias Subject = AlertBench.Subject
    private let a = AlertBench.Subject("A", "1")

    private func makeSilence(
        _ bench: AlertBench,
        _ matchers: [AlertMatcher] = [AlertMatcher("alertname", "A")],
        from start: TimeInterval = 0,
        to end: TimeInterval = 600,
        by author: String = "eve",
        _ comment: String = "work"
    ) -> Silence {
        Silence(matchers, startsAt: bench.now + start, endsAt: bench.now + end, createdBy: author, comment: comment)
    }

    @Test func `A silenced alert is told when the silence ends, if it still fires`() throws {
        var bench = AlertBench { $0.groupWait = .seconds(15) }
        _ = try bench.engine.add(makeSilence(bench, from: 60), by: "eve", now: bench.now)
        bench.run(60)
        bench.held = [a: .warning, Subject("A", "2"): .warning]
        bench.run(300)
        bench.held = [a: .warning]
        bench.run(240)
        #expect(bench.log() == [])
        // It may be the tail of the work.
        bench.run(10)
        #expect(bench.log() == [])
        bench.run(10)
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `An alert that was told before stays open without reminders and changes, and its end is told`() throws {
        var bench = AlertBench { $0.repeatInterval = .seconds(60) }
        bench.held = [a: .warning]
        bench.run(5)
        _ = try bench.engine.add(makeSilence(bench), by: "eve", now: bench.now)
        bench.run(300)
        bench.held = [a: .critical]
        bench.run(200)
        #expect(bench.log() == ["fired A1"])
        #expect(bench.open() == ["A"])
        bench.held = [:]
        bench.run(5)
        #expect(bench.log() == ["fired A1", "resolved A1"])
    }

    @Test func `A silence holds at once, also between two evaluations`() throws {
        var bench = AlertBench()
        bench.held = [a: .warning]
        bench.evaluate()
        #expect(bench.engine.plan(for: "ops", now: bench.now).message != nil)
        let silence = makeSilence(bench)
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        #expect(bench.engine.plan(for: "ops", now: bench.now).message == nil)
        let alert = try #require(bench.engine.openAlerts.first)
        let mutes = bench.engine.mutes(at: bench.now)
        #expect(bench.engine.reasonForSilence(of: alert, alert.id, mutes) == "silence \(silence.id)")
    }

    @Test func `A channel with keep-alive messages gets a silenced alert again if it knows the alert`() throws {
        let delivery = AlertDelivery(isGrouped: false, keepAlive: .seconds(60))
        var bench = AlertBench(channels: ["ops": delivery])
        bench.held = [a: .warning]
        bench.run(5)
        _ = try bench.engine.add(makeSilence(bench), by: "eve", now: bench.now)
        bench.held[Subject("A", "2")] = .warning
        bench.run(120)
        #expect(bench.log() == ["fired A1", "repeated A1", "repeated A1"])
    }

    @Test func `A silence ends when someone ends it, once`() throws {
        var bench = AlertBench()
        let silence = makeSilence(bench)
        let added = try bench.engine.add(silence, by: "eve\n\u{1b}[31m", now: bench.now)
        #expect(added.actor == "eve [31m")
        #expect(added.detail == "silences alertname=A until 2026-09-21T14:23:20Z: work")
        bench.held = [a: .warning]
        bench.run(100)
        #expect(bench.log() == [])
        let ended = try bench.engine.endSilence(silence.id, by: "mallory", now: bench.now)
        #expect(ended.action == "silence.end")
        #expect(ended.subject == silence.id)
        #expect(ended.time == bench.now)
        #expect(bench.engine.silences.first?.endsAt == bench.now)
        #expect(bench.engine.auditRecords == [added, ended])
        for id in [silence.id, "unknown"] {
            #expect(throws: EtcdError.self) { try bench.engine.endSilence(id, by: "eve", now: bench.now) }
        }
        bench.run(10)
        #expect(bench.log() == ["fired A1"])
    }

    @Test func `Silences that cannot be are refused with the reason`() {
        let bench = AlertBench()
        let one = AlertMatcher("alertname", "A")
        let long = String(repeating: "x", count: 1001)
        let refused: [(Silence, String)] = [
            (makeSilence(bench, []), "has no matchers"),
            (makeSilence(bench, [AlertMatcher("alertname", "*")]), "matches every alert"),
            (makeSilence(bench, [AlertMatcher("cluster", "**"), AlertMatcher("member", "")]), "matches every alert"),
            (makeSilence(bench, [AlertMatcher("x", "y", isEqual: false)]), "matches every alert"),
            (makeSilence(bench, [AlertMatcher("alertname", "", isEqual: false)]), "matches every alert"),
            (makeSilence(bench, [AlertMatcher("", "A")]), "without the name of a label"),
            (makeSilence(bench, Array(repeating: one, count: 51)), "more than 50 matchers"),
            (makeSilence(bench, [one], from: 60, to: 60), "does not end after its start"),
            (makeSilence(bench, [one], from: 60, to: 50), "does not end after its start"),
            (makeSilence(bench, [one], from: -60, to: 0), "has already ended"),
            (makeSilence(bench, [one], to: .nan), "does not end after its start"),
            (makeSilence(bench, [one], from: .nan), "does not end after its start"),
            (makeSilence(bench, [one], to: .infinity), "longer than a year"),
            (makeSilence(bench, [one], to: 367 * 86_400), "longer than a year"),
            (makeSilence(bench, [one], by: " "), "has no author"),
            (makeSilence(bench, [one], "\n\t "), "has no comment"),
            (makeSilence(bench, [one], long), "more than 1000 characters"),
            (makeSilence(bench, [one], by: long), "more than 1000 characters"),
            (makeSilence(bench, [AlertMatcher("alertname", long)]), "more than 1000 characters"),
        ]
        for (silence, reason) in refused {
            var engine = bench.engine
            let error = #expect(throws: EtcdError.self) { try engine.add(silence, by: "eve", now: bench.now) }
            #expect(error?.message.contains(reason) == true, "\(reason): \(error?.message ?? "")")
            #expect(engine.silences.isEmpty && engine.auditRecords.isEmpty)
        }
        for matchers in [
            [one], [AlertMatcher("alertname", "Etcd*")], [AlertMatcher("member", "", isEqual: false)],
            [AlertMatcher("cluster", "*"), one],
        ] {
            var engine = bench.engine
            #expect(throws: Never.self) { try engine.add(makeSilence(bench, matchers), by: "eve", now: bench.now) }
        }
    }

    @Test func `The number of silences is bounded, and those that are over make room`() throws {
        var bench = AlertBench()
        for _ in 0..<AlertEngine.mostSilences {
            _ = try bench.engine.add(makeSilence(bench), by: "eve", now: bench.now)
        }
        let error = #expect(throws: EtcdError.self) {
            try bench.engine.add(makeSilence(bench), by: "eve", now: bench.now)
        }
        #expect(error?.message.contains("1000 silences") == true)
        bench.now += 600
        let silence = makeSilence(bench)
        _ = try bench.engine.add(silence, by: "eve", now: bench.now)
        #expect(bench.engine.silences.count == AlertEngine.mostSilences)
        #expect(throws: EtcdError.self) { try bench.engine.add(silence, by: "eve", now: bench.now) }
        #expect(bench.engine.auditRecords.count == 1000)
    }

    @Test func `Silences that are over are kept for five days`() throws {
        var bench = AlertBench()
        _ = try bench.engine.add(makeSilence(bench), by: "eve", now: bench.now)
        bench.now += 5 * 86_400
        bench.tick()
        #expect(bench.engine.silences.map { $0.state(at: bench.now) } == [.expired])
        bench.now += 601
        bench.tick()
        #expect(bench.engine.silences.isEmpty)
    }
}
