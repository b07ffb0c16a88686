// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The latency of an instance: an average in which older answers count for less, and which a slow one raises at once.
struct LatencyEstimate: Sendable {
    /// Nil until the first answer.
    private(set) var seconds: Double?
    private var updated: ContinuousClock.Instant?

    /// The longest time that failures alone make of it.
    static let longestPenalty = Duration.seconds(10)

    /// Takes an answer over: a failure may be fast, and who gives up may have waited for long.
    ///
    /// - Parameters:
    ///   - latency: How long it took until the end.
    ///   - outcome: Whether that was an answer; nil if the caller has given up.
    ///   - median: What the instance is taken for if nothing is known of it.
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

    /// What the next request will take; nil if nothing is known.
    ///
    /// An idle instance seems faster from moment to moment, and so is tried again; during the trial, it is what it was.
    func expected(at now: ContinuousClock.Instant, isIdle: Bool, decay: Duration) -> Double? {
        guard isIdle else { return seconds }
        return (seconds ?? 0) * Self.weight(since: updated, now, decay)
    }

    /// The latency in the middle of those that are known; nil if none is.
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
