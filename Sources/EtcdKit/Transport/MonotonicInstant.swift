// SPDX-License-Identifier: Apache-2.0

/// An instant of the `ContinuousClock` in nanoseconds.
///
/// The layout of `ContinuousClock.Instant` is known at run time only, which makes all that holds one larger and slower,
/// and it counts in 128 bits. Each call and each lease has a few instants.
package struct MonotonicInstant: Sendable, Hashable, Comparable {
    /// The reading of ``Platform/continuousNanoseconds``.
    private let nanoseconds: Int64

    /// One instant in both forms of the same clock.
    private static let origin = (continuous: ContinuousClock.now, nanoseconds: Platform.continuousNanoseconds)

    private init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package init(_ instant: ContinuousClock.Instant) {
        let origin = Self.origin
        let elapsed = (instant - origin.continuous).wholeNanoseconds
        self = MonotonicInstant(nanoseconds: origin.nanoseconds).advanced(by: elapsed)
    }

    package static var now: MonotonicInstant { MonotonicInstant(nanoseconds: Platform.continuousNanoseconds) }

    package var instant: ContinuousClock.Instant {
        let origin = Self.origin
        return origin.continuous + (self - MonotonicInstant(nanoseconds: origin.nanoseconds))
    }

    /// The time until `end` in milliseconds, rounded up.
    func milliseconds(until end: MonotonicInstant) -> Int64 {
        let (difference, isBeyond) = end.nanoseconds.subtractingReportingOverflow(nanoseconds)
        if isBeyond { return end > self ? .max : .min }
        let (quotient, remainder) = difference.quotientAndRemainder(dividingBy: 1_000_000)
        return quotient + (remainder > 0 ? 1 : 0)
    }

    /// The number of its slot, if time is divided into slots of some milliseconds.
    func slot(of milliseconds: Int64) -> Int64 { nanoseconds / (milliseconds * 1_000_000) }

    /// The end of such a slot.
    static func end(ofSlot slot: Int64, of milliseconds: Int64) -> MonotonicInstant {
        MonotonicInstant(nanoseconds: (slot + 1) * milliseconds * 1_000_000)
    }

    package static func < (one: MonotonicInstant, other: MonotonicInstant) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    package static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
        instant.advanced(by: duration.wholeNanoseconds)
    }

    package static func - (end: MonotonicInstant, start: MonotonicInstant) -> Duration {
        .nanoseconds(end.nanoseconds) - .nanoseconds(start.nanoseconds)
    }

    func advanced(by nanoseconds: Int64) -> MonotonicInstant {
        let (sum, isTooLate) = self.nanoseconds.addingReportingOverflow(nanoseconds)
        return MonotonicInstant(nanoseconds: isTooLate ? .max : sum)
    }
}

extension Duration {
    /// The duration in nanoseconds, at most some centuries, which is as much as etcd grants.
    var wholeNanoseconds: Int64 {
        let limit: Int64 = 9_200_000_000
        let (seconds, attoseconds) = components
        if seconds >= limit { return limit * 1_000_000_000 }
        if seconds <= -limit { return -limit * 1_000_000_000 }
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }
}
