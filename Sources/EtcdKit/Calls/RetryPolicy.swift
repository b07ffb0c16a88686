// SPDX-License-Identifier: Apache-2.0

/// When a call that failed is made again.
///
/// With any policy, a write is repeated only when it certainly had no effect: it was not sent, or the server did not take
/// it or refused it before doing anything. See Docs/Reliability.md.
public struct RetryPolicy: Sendable, Hashable {
    /// How often a call is made at most, the first time included.
    ///
    /// The deadline of the call bounds it too.
    public var maximumAttempts: Int
    /// How long an endpoint may leave a call without any answer before it counts as stalled, if there is another
    /// endpoint: a read is then repeated at the next one, which has twice the time, and later calls avoid the stalled
    /// endpoint until its member reports that it is healthy.
    ///
    /// A read with less than twice this time left is repeated after half of the remaining time.
    public var attemptTimeout: Duration
    /// How long to wait once all endpoints have failed a call.
    ///
    /// The first repetition at another endpoint has no pause.
    public var backoff: Backoff

    /// Makes a policy.
    ///
    /// - Parameters:
    ///   - maximumAttempts: How often a call is made at most, at least 1.
    ///   - attemptTimeout: How long an endpoint may leave a call without any answer.
    ///   - backoff: How long to wait once all endpoints have failed a call.
    public init(
        maximumAttempts: Int = .max,
        attemptTimeout: Duration = .seconds(2),
        backoff: Backoff = Backoff()
    ) {
        self.maximumAttempts = maximumAttempts
        self.attemptTimeout = attemptTimeout
        self.backoff = backoff
    }

    /// Each call is made once.
    public static let never = RetryPolicy(maximumAttempts: 1)

    /// The policy with bounded times.
    var bounded: RetryPolicy {
        var policy = self
        policy.attemptTimeout = attemptTimeout.bounded
        policy.backoff.initial = backoff.initial.bounded
        policy.backoff.maximum = backoff.maximum.bounded
        return policy
    }

    /// How long the attempt of this number, from 1, may be without an answer.
    func patience(ofAttempt number: Int) -> Duration {
        attemptTimeout * (1 << min(max(number, 1) - 1, 16))
    }
}
