// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Durations of any length", .unit, .timeLimit(.minutes(1)))
struct BoundedDurationTests {
    static let extremes: [Duration] = [
        .seconds(Int64.max), .seconds(Int64.min), .milliseconds(Int64.max), .nanoseconds(Int64.max),
        Duration(attoseconds: .max), Duration(attoseconds: .min), .seconds(-1),
    ]

    @Test("are limited to zero and a thousand years, and can be added", arguments: extremes)
    func bounds(duration: Duration) {
        let bounded = duration.bounded
        #expect(bounded >= .zero && bounded <= .seconds(1 << 35))
        #expect(duration > .zero ? bounded > .seconds(100 * 365 * 86_400) : bounded == .zero)
        let now = ContinuousClock.now
        #expect((ContinuousClock.Instant.after(duration) + bounded * 1000) >= now)
    }

    @Test(
        "are unchanged if they are ordinary",
        arguments: [Duration.zero, .nanoseconds(1), .seconds(10), .seconds(86_400)]
    )
    func ordinary(duration: Duration) {
        #expect(duration.bounded == duration)
    }

    @Test("can be slept for, and end with their task", arguments: extremes)
    func pause(duration: Duration) async {
        let task = Task { await Task.pause(for: duration) }
        task.cancel()
        await task.value
    }
}
