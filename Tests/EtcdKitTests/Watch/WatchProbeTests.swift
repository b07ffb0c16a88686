// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Watch: the search for silent streams", .unit, .timeLimit(.minutes(1)))
struct WatchProbeTests {
    private let start = ContinuousClock.now

    private func probe() -> WatchProbe {
        WatchProbe(interval: .seconds(10), timeout: .seconds(5), at: start)
    }

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    @Test("a stream that never sends anything is given up after the time for an answer")
    func neverConfirmed() {
        var probe = probe()
        #expect(probe.check(at: at(4)) == .wait)
        #expect(probe.check(at: at(5)) == .giveUp)
    }

    @Test("after a silence the server is asked for progress, and given up if it does not answer")
    func silence() {
        var probe = probe()
        probe.hear(at: at(1), isConfirmation: true)
        #expect(probe.check(at: at(10)) == .wait)
        #expect(probe.check(at: at(11)) == .ask)
        #expect(probe.due == at(16))
        #expect(probe.check(at: at(15)) == .wait)
        #expect(probe.check(at: at(16)) == .giveUp)
    }

    @Test("any message counts as an answer")
    func answer() {
        var probe = probe()
        probe.hear(at: at(0))
        #expect(probe.check(at: at(10)) == .ask)
        probe.hear(at: at(14))
        #expect(probe.check(at: at(16)) == .wait)
        #expect(probe.due == at(24))
    }

    @Test("a new watch on a silent stream does not extend the time for an answer")
    func creation() {
        var probe = probe()
        probe.hear(at: at(0))
        probe.ask(at: at(2))
        probe.ask(at: at(4))
        #expect(probe.check(at: at(7)) == .giveUp)
    }

    @Test("the time until a probe doubles with each move, up to a limit, until more than a confirmation arrives")
    func patience() {
        var probe = probe()
        probe.inherit(2)
        probe.inherit(1)
        #expect(probe.due == at(20))
        probe.hear(at: at(0), isConfirmation: true)
        #expect(probe.due == at(40))
        probe.hear(at: at(1))
        #expect(probe.due == at(11))
        probe.inherit(1000)
        #expect(probe.due == at(641))
    }
}
