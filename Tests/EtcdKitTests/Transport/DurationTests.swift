// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Durations in milliseconds", .timeLimit(.minutes(1)))
struct DurationTests {
    @Test(
        "are rounded up",
        arguments: [
            (.zero, 0), (.nanoseconds(1), 1), (.microseconds(999), 1), (.milliseconds(1), 1),
            (.nanoseconds(1_000_001), 2),
            (.seconds(1), 1000), (.milliseconds(1500), 1500), (.microseconds(1_500_001), 1501),
            (Duration(secondsComponent: 0, attosecondsComponent: 1), 1), (.nanoseconds(-1), 0),
            (.milliseconds(-1), -1), (.milliseconds(-1500), -1500), (.microseconds(-1500), -1), (.seconds(-2), -2000),
        ] as [(Duration, Int64)]
    )
    func rounding(duration: Duration, milliseconds: Int64) {
        #expect(duration.wholeMilliseconds == milliseconds)
    }

    @Test("end at the limits of their type")
    func limits() {
        #expect(Duration.milliseconds(Int64.max).wholeMilliseconds == .max)
        #expect((Duration.milliseconds(Int64.max) + .milliseconds(1)).wholeMilliseconds == .max)
        #expect((Duration.milliseconds(Int64.max) - .microseconds(500)).wholeMilliseconds == .max)
        #expect(Duration.seconds(Int64.max).wholeMilliseconds == .max)
        #expect(Duration.milliseconds(Int64.min).wholeMilliseconds == .min)
        #expect((Duration.milliseconds(Int64.min) - .milliseconds(1)).wholeMilliseconds == .min)
        #expect(Duration.seconds(Int64.min).wholeMilliseconds == .min)
    }
}

@Suite("Durations of any length", .timeLimit(.minutes(1)))
struct BoundedDurationTests {
    static let extremes: [Duration] = [
        .seconds(Int64.max), .seconds(Int64.min), .milliseconds(Int64.max), .nanoseconds(Int64.max),
        Duration(attoseconds: .max), Duration(attoseconds: .min), .seconds(-1),
    ]

    @Test("are within zero and a thousand years, and can be reckoned with", arguments: extremes)
    func bounds(duration: Duration) {
        let bounded = duration.bounded
        #expect(bounded >= .zero && bounded <= .seconds(1 << 35))
        #expect(duration > .zero ? bounded > .seconds(100 * 365 * 86_400) : bounded == .zero)
        let now = ContinuousClock.now
        #expect((ContinuousClock.Instant.after(duration) + bounded * 1000) >= now)
    }

    @Test(
        "that are ordinary stay as they are",
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
