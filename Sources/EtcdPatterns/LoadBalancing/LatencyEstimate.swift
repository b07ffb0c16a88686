// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The latency of an instance: an average in which older answers count for less, and which a slow answer raises at once.
struct LatencyEstimate: Sendable {
    /// Nil until the first answer.
    private(set) var seconds: Double?
    private var updated: ContinuousClock.Instant?

    /// The longest latency that failures alone lead to.
    static let longestPenalty = Duration.seconds(10)

    /// Takes an outcome into account.
    ///
    /// A failure may be fast, and a caller may give up after a long wait.
    ///
    /// - Parameters:
    ///   - latency: The time until the end of the request.
    ///   - outcome: Success or failure; nil if the caller has given up.
    ///   - median: The latency to assume if none is known.
    ///   - now: The time.
    ///   - decay: The time after which an answer counts for about a third.
    mutating func observe(
        _ latency: Duration,
        _ outcome: PickedInstance.Outcome?,
        median: Double?,
        at now: ContinuousClock.Instant,
        decay: Duration
    ) {
        let time = latency / .seconds(1)
        switch outcome {
        case .success: observe(time, at: now, decay)
        case .failure:
            let penalty = min(2 * (seconds ?? median ?? 0), Self.longestPenalty / .seconds(1))
            observe(max(time, seconds ?? 0, penalty), at: now, decay)
        case nil: if let seconds { observe(max(time, seconds), at: now, decay) }
        }
    }

    private mutating func observe(_ sample: Double, at now: ContinuousClock.Instant, _ decay: Duration) {
        if let seconds, sample < seconds {
            let weight = Self.weight(since: updated, now, decay)
            self.seconds = seconds * weight + sample * (1 - weight)
        } else {
            seconds = sample
        }
        updated = now
    }

    /// The expected latency of the next request; nil if none is known.
    ///
    /// That of an idle instance decays, so that it is tried again. During the trial, it does not decay.
    func expected(at now: ContinuousClock.Instant, isIdle: Bool, decay: Duration) -> Double? {
        guard isIdle else { return seconds }
        return (seconds ?? 0) * Self.weight(since: updated, now, decay)
    }

    /// The median of the known latencies; nil if none is known.
    static func median(of estimates: some Sequence<LatencyEstimate>) -> Double? {
        let known = estimates.compactMap(\.seconds).sorted()
        return known.isEmpty ? nil : known[known.count / 2]
    }

    private static func weight(since then: ContinuousClock.Instant?, _ now: ContinuousClock.Instant, _ decay: Duration)
        -> Double
    {
        guard let then else { return 1 }
        return exp(-max(0, (now - then) / decay))
    }
}
