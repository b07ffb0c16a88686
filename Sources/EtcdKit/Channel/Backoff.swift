// SPDX-License-Identifier: Apache-2.0

/// How long to wait between attempts: exponentially longer up to a limit, with random jitter, so that many clients that
/// lost a server at once do not all return at once.
public struct Backoff: Sendable, Hashable {
    /// The wait after the first failure.
    public var initial: Duration
    /// The longest wait.
    public var maximum: Duration
    /// The factor by which each wait is longer than the one before.
    public var multiplier: Double
    /// The random part of a wait: 0.2 means 80 % to 120 %.
    public var jitter: Double

    /// Makes a backoff.
    ///
    /// - Parameters:
    ///   - initial: The wait after the first failure.
    ///   - maximum: The longest wait.
    ///   - multiplier: The factor by which each wait is longer than the one before, at least 1.
    ///   - jitter: The random part of a wait, from 0 to 1.
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
    /// `chance` is a random number from 0 to 1.
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
