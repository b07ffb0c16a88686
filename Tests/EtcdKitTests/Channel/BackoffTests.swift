// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Backoff", .unit, .timeLimit(.minutes(1)))
struct BackoffTests {
    @Test("waits grow by the multiplier up to the maximum; without a failure there is no wait")
    func growth() {
        let backoff = Backoff(initial: .milliseconds(100), maximum: .milliseconds(900), multiplier: 2, jitter: 0)
        let waits = (-1...6).map { backoff.delay(afterFailures: $0, chance: 0.5) }
        #expect(waits == [0, 0, 100, 200, 400, 800, 900, 900].map { .milliseconds($0) })
    }

    @Test("the wait after any number of failures is computed at once", arguments: [1000, Int.max])
    func manyFailures(failures: Int) {
        #expect(Backoff().delay(afterFailures: failures, chance: 0.5) == .milliseconds(750))
        // Without growth the maximum is never reached.
        let flat = Backoff(initial: .seconds(1), maximum: .seconds(2), multiplier: 1, jitter: 0)
        #expect(flat.delay(afterFailures: failures, chance: 0.5) == .seconds(1))
        let shrinking = Backoff(initial: .seconds(1), maximum: .seconds(2), multiplier: 0.5, jitter: 0)
        #expect(shrinking.delay(afterFailures: failures, chance: 0.5) == .seconds(1))
    }

    @Test("an initial wait over the maximum is the maximum")
    func initialOverMaximum() {
        let backoff = Backoff(initial: .seconds(5), maximum: .seconds(2), multiplier: 2, jitter: 0)
        #expect(backoff.delay(afterFailures: 1, chance: 0.5) == .seconds(2))
    }

    @Test("jitter spreads a wait over its range, both bounds included")
    func jitter() {
        let backoff = Backoff(initial: .seconds(1), maximum: .seconds(10), multiplier: 2, jitter: 0.25)
        #expect(backoff.delay(afterFailures: 1, chance: 0) == .milliseconds(750))
        #expect(backoff.delay(afterFailures: 1, chance: 0.5) == .seconds(1))
        #expect(backoff.delay(afterFailures: 1, chance: 1) == .milliseconds(1250))
        #expect(backoff.delay(afterFailures: 2, chance: 1) == .milliseconds(2500))
    }

    @Test(
        "settings and random numbers beyond their limits are taken as the limits",
        arguments: [(-1.0, -1.0), (7, 7), (2, -3)]
    )
    func limits(jitter: Double, chance: Double) {
        let backoff = Backoff(initial: .seconds(1), maximum: .seconds(10), multiplier: 2, jitter: jitter)
        let delay = backoff.delay(afterFailures: 1, chance: chance)
        #expect(delay >= .zero && delay <= .seconds(2))
    }

    @Test("infinite and undefined settings lead to valid waits")
    func strangeNumbers() {
        let endless = Backoff(initial: .seconds(1), maximum: .seconds(Int64.max), multiplier: .infinity, jitter: 0)
        #expect(endless.delay(afterFailures: 2, chance: 0.5) == Duration.seconds(Int64.max).bounded)
        let steep = Backoff(initial: .seconds(1), maximum: .seconds(Int64.max), multiplier: 1e30, jitter: 1)
        #expect(steep.delay(afterFailures: 2, chance: 1) == Duration.seconds(Int64.max).bounded * 2)
        let none = Backoff(initial: .seconds(1), maximum: .seconds(9), multiplier: .nan, jitter: .nan)
        #expect(none.delay(afterFailures: 3, chance: 0.5) == .seconds(1))
        #expect(none.delay(afterFailures: 3, chance: .nan) == .seconds(1))
    }

    @Test("random waits stay within their bounds and differ")
    func random() {
        let backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(1), multiplier: 1.6, jitter: 0.2)
        var generator = SplitMix64(seed: 5)
        var waits: Set<Duration> = []
        for _ in 0..<1000 {
            let delay = backoff.delay(afterFailures: 100, chance: .random(in: 0...1, using: &generator))
            #expect(delay >= .milliseconds(799) && delay <= .milliseconds(1201))
            waits.insert(delay)
        }
        #expect(waits.count > 900)
    }
}
