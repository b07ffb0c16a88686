// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The latency of an instance: an average in which older answers count for less, and which a slow one raises at once.
struct LatencyEstimate: Sendable {
    /// Nil until the first answer.
    private(set) var seconds: Double?
    private var updated: ContinuousClock.Instant?

    /// It is known, and lower than `latency`.
    func isBelow(_ latency: Duration) -> Bool { seconds.map { $0 < latency / .seconds(1) } ?? false }

    mutating func observe(_ latency: Duration, at now: ContinuousClock.Instant, decay: Duration) {
        let sample = latency / .seconds(1)
        if let seconds, sample < seconds {
            let weight = Self.weight(since: updated, now, decay)
            self.seconds = seconds * weight + sample * (1 - weight)
        } else {
            seconds = sample
        }
        updated = now
    }

    /// What the next request will take.
    ///
    /// An idle instance seems faster from moment to moment, and so is tried again; during the trial, it is what it was.
    func expected(at now: ContinuousClock.Instant, isIdle: Bool, decay: Duration) -> Double? {
        guard let seconds, isIdle else { return seconds }
        return seconds * Self.weight(since: updated, now, decay)
    }

    private static func weight(since then: ContinuousClock.Instant?, _ now: ContinuousClock.Instant, _ decay: Duration)
        -> Double
    {
        guard let then else { return 1 }
        return exp(-max(0, (now - then) / decay))
    }
}
