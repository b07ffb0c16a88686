// SPDX-License-Identifier: Apache-2.0

/// When a lease that is kept alive is to be renewed, and until when it certainly lives: a value without clock or I/O.
///
/// The server counts from when it handles a renewal, so this side counts from when it has sent it.
struct LeaseTimeline {
    /// How long an unanswered renewal waits before it is sent again.
    static let retryInterval = Duration.milliseconds(500)

    /// When the next renewal is to be sent.
    private(set) var nextSend: ContinuousClock.Instant
    /// Until when the lease certainly lives; nil before the first sign of it.
    private(set) var deadline: ContinuousClock.Instant?
    /// When the newest renewal that is not answered yet was sent.
    private var unanswered: ContinuousClock.Instant?

    init(now: ContinuousClock.Instant, granted: Lease?) {
        nextSend = now
        deadline = granted.map { $0.grantSent + $0.timeToLive }
    }

    /// When something is to be done next.
    var nextEvent: ContinuousClock.Instant { min(nextSend, deadline ?? nextSend) }

    func isExpired(at now: ContinuousClock.Instant) -> Bool { deadline.map { $0 <= now } ?? false }

    mutating func sent(at now: ContinuousClock.Instant) {
        unanswered = now
        nextSend = now + Self.retryInterval
    }

    /// Takes the answer to the renewal that was sent at `sent`, and returns the new deadline.
    mutating func answered(sent: ContinuousClock.Instant, timeToLive: Duration) -> ContinuousClock.Instant {
        let deadline = max(sent + timeToLive, deadline ?? sent)
        self.deadline = deadline
        if let unanswered, unanswered <= sent { self.unanswered = nil }
        // While a newer renewal is on its way, another one is no use before that would be repeated.
        nextSend = max(sent + timeToLive / 3, unanswered.map { $0 + Self.retryInterval } ?? sent)
        return deadline
    }

    /// The stream is gone, and with it the answers.
    mutating func disconnected(at now: ContinuousClock.Instant) {
        unanswered = nil
        nextSend = now
    }

    mutating func renewSoon(at now: ContinuousClock.Instant) {
        if unanswered == nil { nextSend = now }
    }
}
