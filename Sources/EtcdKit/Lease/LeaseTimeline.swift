// SPDX-License-Identifier: Apache-2.0

/// When a lease that is kept alive is to be renewed, until when it certainly lives, and when that is in danger: a value
/// without clock or I/O.
///
/// The server counts from when it handles a renewal, so this side counts from when it has sent it.
struct LeaseTimeline {
    /// Something whose time has come.
    enum Event: Hashable {
        /// A renewal is to be sent; said once, until it was sent or postponed.
        case renewal
        /// Two thirds of the time to live have passed since the last answered renewal was sent.
        case risk(until: ContinuousClock.Instant)
        /// The lease has run out; nothing comes after this.
        case expiry
    }

    /// How long an unanswered renewal waits before it is sent again.
    static let retryInterval = Duration.milliseconds(500)
    /// Which part of the time between renewals is left to chance: leases that were granted together come apart.
    static let jitter = 0.1

    /// Until when the lease certainly lives; nil before the first sign of it.
    private(set) var deadline: ContinuousClock.Instant?
    private(set) var isAtRisk = false
    /// The lease is lost or given up, for good.
    private(set) var hasEnded = false
    /// When the next renewal is to be sent.
    private var due: ContinuousClock.Instant
    /// The renewal that is due was announced.
    private var isAnnounced = false
    private var risk: ContinuousClock.Instant?
    /// When the newest renewal that is not answered yet was sent.
    private var unanswered: ContinuousClock.Instant?

    init(now: ContinuousClock.Instant, granted: Lease?) {
        due = now
        if let granted {
            deadline = granted.grantSent + granted.timeToLive
            risk = granted.grantSent + granted.timeToLive * 2 / 3
        }
    }

    var awaitsAnswer: Bool { unanswered != nil }

    /// When there is an event next.
    var nextEvent: ContinuousClock.Instant? {
        if hasEnded { return nil }
        return [isAnnounced ? nil : due, isAtRisk ? nil : risk, deadline].compactMap(\.self).min()
    }

    /// What has come by `now`: to be asked again and again, until there is nothing more.
    mutating func nextEvent(by now: ContinuousClock.Instant) -> Event? {
        if hasEnded { return nil }
        if let deadline, deadline <= now {
            hasEnded = true
            return .expiry
        }
        if let risk, let deadline, risk <= now, !isAtRisk {
            isAtRisk = true
            return .risk(until: deadline)
        }
        if due <= now, !isAnnounced {
            isAnnounced = true
            return .renewal
        }
        return nil
    }

    mutating func sent(at now: ContinuousClock.Instant) {
        unanswered = now
        postpone(at: now)
    }

    /// The renewal that is due is not sent now: it would only wait behind the one before.
    mutating func postpone(at now: ContinuousClock.Instant) {
        isAnnounced = false
        due = now + Self.retryInterval
    }

    /// Takes the answer to the renewal that was sent at `sent`, and returns the new deadline; nil if it comes too late.
    ///
    /// The chance is a number from 0 to 1, random in use.
    mutating func answered(
        sent: ContinuousClock.Instant,
        timeToLive: Duration,
        chance: Double
    ) -> ContinuousClock.Instant? {
        if hasEnded { return nil }
        let deadline = max(sent + timeToLive, deadline ?? sent)
        self.deadline = deadline
        risk = max(sent + timeToLive * 2 / 3, risk ?? sent)
        isAtRisk = false
        isAnnounced = false
        if let unanswered, unanswered <= sent { self.unanswered = nil }
        // While a newer renewal is on its way, another one is no use before that would be repeated.
        let interval = timeToLive / 3 * (1 - Self.jitter * chance)
        due = max(sent + interval, unanswered.map { $0 + Self.retryInterval } ?? sent)
        return deadline
    }

    /// The stream is gone, and with it the answers.
    mutating func disconnected(at now: ContinuousClock.Instant) {
        guard unanswered != nil else { return }
        unanswered = nil
        isAnnounced = false
        due = now
    }

    mutating func renewSoon(at now: ContinuousClock.Instant) {
        if unanswered == nil, !isAnnounced { due = now }
    }

    mutating func end() { hasEnded = true }
}
