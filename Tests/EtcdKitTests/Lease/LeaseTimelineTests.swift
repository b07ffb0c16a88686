// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// In virtual time: no clock runs here.
@Suite("Lease: its timeline", .unit, .timeLimit(.minutes(1)))
struct LeaseTimelineTests {
    private let start = MonotonicInstant.now
    private let timeToLive = Duration.seconds(9)

    private func at(_ seconds: Double) -> MonotonicInstant { start + .seconds(seconds) }

    /// A timeline whose first renewal was answered at once.
    private func renewed(chance: Double = 0) -> LeaseTimeline {
        var timeline = LeaseTimeline(now: start, granted: nil)
        _ = timeline.nextEvent(by: start)
        timeline.sent(at: start)
        _ = timeline.answered(sent: start, timeToLive: timeToLive, chance: chance)
        return timeline
    }

    @Test("a lease is renewed at once, and nothing is known of it before the answer")
    func beginning() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        #expect(timeline.nextEvent == start)
        #expect(timeline.deadline == nil)
        #expect(timeline.nextEvent(by: at(1_000_000)) == .renewal)
        #expect(timeline.nextEvent(by: at(1_000_000)) == nil, "a renewal is announced once")
        #expect(timeline.nextEvent == at(1_000_000.5), "and again if it is not sent by then")
    }

    @Test("a granted lease lives from when its grant was sent")
    func granted() {
        let lease = Lease(id: Lease.ID(rawValue: 1), timeToLive: timeToLive, grantSent: start)
        var timeline = LeaseTimeline(now: at(2), granted: lease)
        #expect(timeline.deadline == at(9))
        #expect(timeline.nextEvent(by: at(8.999)) == .risk(until: at(9)))
        #expect(timeline.nextEvent(by: at(8.999)) == .renewal)
        #expect(timeline.nextEvent(by: at(8.999)) == nil)
        #expect(timeline.nextEvent == at(9))
        #expect(timeline.nextEvent(by: at(9)) == .expiry)
    }

    @Test("the deadline counts from the sending, and the next renewal is due a third of the time to live after it")
    func answered() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: at(1))
        #expect(timeline.answered(sent: at(1), timeToLive: timeToLive, chance: 0) == at(10))
        #expect(timeline.deadline == at(10))
        #expect(timeline.nextEvent == at(4))
    }

    @Test("jitter shortens the time between renewals by up to a tenth, so that bursts spread out")
    func jitter() throws {
        #expect(renewed(chance: 0).nextEvent == at(3))
        let earliest = try #require(renewed(chance: 1).nextEvent)
        #expect(abs((earliest - at(2.7)) / .seconds(1)) < 0.001)
    }

    @Test("an unanswered renewal is due again every 500 ms, at risk after two thirds, lost at the end")
    func retries() {
        var timeline = renewed()
        var events: [(LeaseTimeline.Event, MonotonicInstant)] = []
        while let time = timeline.nextEvent {
            guard let event = timeline.nextEvent(by: time) else {
                Issue.record("nothing happens when something should")
                break
            }
            events.append((event, time))
            if event == .renewal { timeline.sent(at: time) }
        }
        #expect(events.filter { $0.0 == .renewal }.map(\.1) == (0..<12).map { at(3 + 0.5 * Double($0)) })
        #expect(events.filter { $0.0 == .risk(until: at(9)) }.map(\.1) == [at(6)])
        #expect(events.last?.0 == .expiry)
        #expect(events.last?.1 == at(9))
    }

    @Test("a lease at risk that is renewed is active again, and can come to be at risk again")
    func recovery() {
        var timeline = renewed()
        #expect(timeline.nextEvent(by: at(6)) == .risk(until: at(9)))
        #expect(timeline.isAtRisk)
        timeline.sent(at: at(7))
        #expect(timeline.answered(sent: at(7), timeToLive: timeToLive, chance: 0) == at(16))
        #expect(!timeline.isAtRisk)
        #expect(timeline.nextEvent(by: at(12.9)) == .renewal)
        #expect(timeline.nextEvent(by: at(12.9)) == nil)
        #expect(timeline.nextEvent(by: at(13)) == .risk(until: at(16)))
    }

    @Test("a lease that has run out stays lost, whatever is answered later")
    func lossIsFinal() {
        var timeline = renewed()
        timeline.sent(at: at(3))
        #expect(timeline.nextEvent(by: at(9)) == .expiry)
        #expect(timeline.answered(sent: at(3), timeToLive: timeToLive, chance: 0) == nil)
        #expect(timeline.deadline == at(9))
        #expect(timeline.nextEvent == nil)
        #expect(timeline.nextEvent(by: at(20)) == nil)
    }

    @Test("a renewal that is acknowledged after the revocation does not revive the lease (etcd PR 20615)")
    func endIsFinal() {
        var timeline = renewed()
        timeline.sent(at: at(3))
        timeline.end()
        #expect(timeline.answered(sent: at(3), timeToLive: timeToLive, chance: 0) == nil)
        #expect(timeline.nextEvent == nil)
    }

    @Test("late answers each count from their own sending, and bring no further renewals while newer ones are out")
    func lateAnswers() throws {
        var timeline = LeaseTimeline(now: start, granted: nil)
        for number in 0..<10 { timeline.sent(at: at(0.5 * Double(number))) }
        for number in 0..<9 {
            let sent = 0.5 * Double(number)
            #expect(timeline.answered(sent: at(sent), timeToLive: timeToLive, chance: 0) == at(sent + 9))
            #expect(try #require(timeline.nextEvent) >= at(5))
        }
        #expect(timeline.awaitsAnswer)
        #expect(timeline.answered(sent: at(4.5), timeToLive: timeToLive, chance: 0) == at(13.5))
        #expect(!timeline.awaitsAnswer)
        #expect(timeline.nextEvent == at(7.5))
    }

    @Test("a shorter time to live does not move the deadline back")
    func shorterTimeToLive() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        #expect(timeline.answered(sent: start, timeToLive: .seconds(30), chance: 0) == at(30))
        timeline.sent(at: at(10))
        #expect(timeline.answered(sent: at(10), timeToLive: .seconds(6), chance: 0) == at(30))
        #expect(timeline.nextEvent == at(12))
    }

    @Test("a broken stream makes an unanswered renewal due at once, and leaves the deadline")
    func disconnected() {
        var timeline = renewed()
        timeline.disconnected(at: at(1))
        #expect(timeline.nextEvent == at(3), "nothing was on its way")
        timeline.sent(at: at(3))
        timeline.disconnected(at: at(3.1))
        #expect(timeline.nextEvent == at(3.1))
        #expect(timeline.deadline == at(9))
        timeline.sent(at: at(4))
        #expect(timeline.answered(sent: at(4), timeToLive: timeToLive, chance: 0) == at(13))
        #expect(timeline.nextEvent == at(7))
    }

    @Test("a renewal that is wanted soon is due at once, unless one is on its way")
    func renewSoon() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        timeline.renewSoon(at: at(0.1))
        #expect(timeline.nextEvent == at(0.5))
        _ = timeline.answered(sent: start, timeToLive: timeToLive, chance: 0)
        timeline.renewSoon(at: at(1))
        #expect(timeline.nextEvent == at(1))
    }

    @Test("answers in time keep a lease alive with one renewal a third", arguments: [0.0, 0.01, 0.49])
    func steadyState(latency: Double) throws {
        var timeline = LeaseTimeline(now: start, granted: nil)
        var sends = 0
        while let now = timeline.nextEvent, now < at(90) {
            #expect(timeline.nextEvent(by: now) == .renewal)
            timeline.sent(at: now)
            sends += 1
            #expect(timeline.nextEvent(by: now + .seconds(latency)) == nil, "no answer yet")
            _ = timeline.answered(sent: now, timeToLive: timeToLive, chance: 0)
        }
        #expect(sends == 30)
    }
}
