// SPDX-License-Identifier: Apache-2.0

/// How long to wait between attempts: exponentially longer up to a limit, and scattered, so that many clients that lost
/// a server together do not come back together.
public struct Backoff: Sendable, Hashable {
    /// The wait after the first failure.
    public var initial: Duration
    /// The longest wait.
    public var maximum: Duration
    /// By how much each wait is longer than the one before.
    public var multiplier: Double
    /// Which part of a wait is left to chance: 0.2 means 80 % to 120 %.
    public var jitter: Double

    /// Makes a backoff.
    ///
    /// - Parameters:
    ///   - initial: The wait after the first failure.
    ///   - maximum: The longest wait.
    ///   - multiplier: By how much each wait is longer than the one before, at least 1.
    ///   - jitter: Which part of a wait is left to chance, from 0 to 1.
    public init(
        initial: Duration = .milliseconds(50),
        maximum: Duration = .milliseconds(750),
        multiplier: Double = 1.6,
        jitter: Double = 0.2
    ) {
        self.initial = initial
        self.maximum = maximum
        self.multiplier = multiplier
        self.jitter = jitter
    }

    /// The wait after a number of failures in a row; none for 0.
    ///
    /// The chance is a number from 0 to 1.
    package func delay(afterFailures failures: Int, chance: Double = .random(in: 0...1)) -> Duration {
        if failures <= 0 { return .zero }
        let maximum = maximum.bounded
        var delay = initial.bounded
        var step = 1
        while step < failures && delay < maximum && multiplier > 1 {
            // Compared first, since a product can be too long for a duration.
            delay = delay > maximum / multiplier ? maximum : delay * multiplier
            step += 1
        }
        // In this order of arguments, "not a number" gives 0.
        let spread = min(max(0, jitter), 1)
        return min(delay, maximum) * (1 - spread + 2 * spread * min(max(0, chance), 1))
    }
}
