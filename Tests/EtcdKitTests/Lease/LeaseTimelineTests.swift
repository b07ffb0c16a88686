// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// In virtual time: no clock runs here.
@Suite("The timeline of a lease", .timeLimit(.minutes(1)))
struct LeaseTimelineTests {
    private let start = ContinuousClock.now
    private let timeToLive = Duration.seconds(9)

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("a lease is renewed at once, and nothing is known of it before the answer")
    func beginning() {
        let timeline = LeaseTimeline(now: start, granted: nil)
        #expect(timeline.nextSend == start)
        #expect(timeline.nextEvent == start)
        #expect(timeline.deadline == nil)
        #expect(!timeline.isExpired(at: at(1_000_000)))
    }

    @Test("a granted lease lives from when its grant was sent")
    func granted() {
        let lease = Lease(id: Lease.ID(rawValue: 1), timeToLive: timeToLive, grantSent: start)
        var timeline = LeaseTimeline(now: at(2), granted: lease)
        #expect(timeline.deadline == at(9))
        timeline.sent(at: at(8.8))
        #expect(timeline.nextEvent == at(9))
        #expect(!timeline.isExpired(at: at(8.999)))
        #expect(timeline.isExpired(at: at(9)))
    }

    @Test("the deadline counts from the sending, and the next renewal is due a third of the time to live after it")
    func answered() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: at(1))
        let deadline = timeline.answered(sent: at(1), timeToLive: timeToLive)
        #expect(deadline == at(10))
        #expect(timeline.deadline == at(10))
        #expect(timeline.nextSend == at(4))
    }

    @Test("an unanswered renewal is sent again every 500 ms, until the lease has run out")
    func retries() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        _ = timeline.answered(sent: start, timeToLive: timeToLive)
        var sends: [ContinuousClock.Instant] = []
        while !timeline.isExpired(at: timeline.nextEvent) {
            sends.append(timeline.nextSend)
            timeline.sent(at: timeline.nextSend)
        }
        #expect(sends == (0..<12).map { at(3 + 0.5 * Double($0)) })
        #expect(timeline.nextEvent == at(9))
    }

    @Test("late answers each count from their own sending, and bring no further renewals while newer ones are out")
    func lateAnswers() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        for number in 0..<10 { timeline.sent(at: at(0.5 * Double(number))) }
        for number in 0..<9 {
            let sent = 0.5 * Double(number)
            #expect(timeline.answered(sent: at(sent), timeToLive: timeToLive) == at(sent + 9))
            #expect(timeline.nextSend >= at(5))
        }
        #expect(timeline.answered(sent: at(4.5), timeToLive: timeToLive) == at(13.5))
        #expect(timeline.nextSend == at(7.5))
    }

    @Test("a shorter time to live does not take back what was certain")
    func shorterTimeToLive() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        #expect(timeline.answered(sent: start, timeToLive: .seconds(30)) == at(30))
        timeline.sent(at: at(10))
        #expect(timeline.answered(sent: at(10), timeToLive: .seconds(6)) == at(30))
        #expect(timeline.nextSend == at(12))
    }

    @Test("a broken connection makes the renewal due at once, and leaves the deadline")
    func disconnected() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        _ = timeline.answered(sent: start, timeToLive: timeToLive)
        timeline.sent(at: at(3))
        timeline.disconnected(at: at(3.1))
        #expect(timeline.nextSend == at(3.1))
        #expect(timeline.deadline == at(9))
        timeline.sent(at: at(4))
        #expect(timeline.answered(sent: at(4), timeToLive: timeToLive) == at(13))
        #expect(timeline.nextSend == at(7))
    }

    @Test("a renewal that is wanted soon is due at once, unless one is on its way")
    func renewSoon() {
        var timeline = LeaseTimeline(now: start, granted: nil)
        timeline.sent(at: start)
        timeline.renewSoon(at: at(0.1))
        #expect(timeline.nextSend == at(0.5))
        _ = timeline.answered(sent: start, timeToLive: timeToLive)
        timeline.renewSoon(at: at(1))
        #expect(timeline.nextSend == at(1))
    }

    @Test("answers in time keep a lease alive with one renewal a third", arguments: [0.0, 0.01, 0.49])
    func steadyState(latency: Double) {
        var timeline = LeaseTimeline(now: start, granted: nil)
        var sends = 0
        while timeline.nextSend < at(90) {
            let now = timeline.nextSend
            #expect(!timeline.isExpired(at: now))
            timeline.sent(at: now)
            sends += 1
            #expect(timeline.nextSend == now + .milliseconds(500), "no answer yet")
            _ = timeline.answered(sent: now, timeToLive: timeToLive)
            #expect(!timeline.isExpired(at: now + .seconds(latency)))
        }
        #expect(sends == 30)
    }
}
