// SPDX-License-Identifier: Apache-2.0

/// When a lease that is kept alive is to be renewed, until when it certainly lives, and when it is at risk: a value
/// without clock or I/O.
///
/// The server counts from the time when it handles a renewal, the client from the earlier time when it sent it.
struct LeaseTimeline {
    /// Something whose time has come.
    enum Event: Hashable {
        /// A renewal is to be sent; said again after ``retryInterval`` until one is answered.
        case renewal
        /// Two thirds of the time to live have passed since the last answered renewal was sent.
        case risk(until: MonotonicInstant)
        /// The lease has run out; nothing comes after this.
        case expiry
    }

    /// How long an unanswered renewal waits before it is sent again.
    static let retryInterval = Duration.milliseconds(500)
    /// The random part of the time between renewals: it spreads leases that were granted together.
    static let jitter = 0.1

    /// Until when the lease certainly lives; nil until its grant or a renewal is known.
    private(set) var deadline: MonotonicInstant?
    private(set) var isAtRisk = false
    /// The lease is lost or given up, for good.
    private(set) var hasEnded = false
    /// When the next renewal is to be sent.
    private var due: MonotonicInstant
    private var risk: MonotonicInstant?
    /// When the newest renewal that is not answered yet was sent.
    private var unanswered: MonotonicInstant?

    init(now: MonotonicInstant, granted: Lease?) {
        due = now
        if let granted { self.granted(granted) }
    }

    /// Counts from the grant, unless a renewal was answered.
    mutating func granted(_ lease: Lease) {
        guard deadline == nil else { return }
        deadline = lease.grantSent + lease.timeToLive
        risk = lease.grantSent + lease.timeToLive * 2 / 3
    }

    var awaitsAnswer: Bool { unanswered != nil }

    /// When there is an event next.
    var nextEvent: MonotonicInstant? {
        if hasEnded { return nil }
        var next = due
        if let risk, !isAtRisk { next = min(next, risk) }
        if let deadline { next = min(next, deadline) }
        return next
    }

    /// The next event that is due at `now`; the caller repeats this until there is none.
    mutating func nextEvent(by now: MonotonicInstant) -> Event? {
        if hasEnded { return nil }
        if let deadline, deadline <= now {
            hasEnded = true
            return .expiry
        }
        if let risk, let deadline, risk <= now, !isAtRisk {
            isAtRisk = true
            return .risk(until: deadline)
        }
        if due <= now {
            due = now + Self.retryInterval
            return .renewal
        }
        return nil
    }

    mutating func sent(at now: MonotonicInstant) {
        unanswered = now
        due = now + Self.retryInterval
    }

    /// Takes the answer to the renewal that was sent at `sent`, and returns the new deadline; nil if it comes too late.
    ///
    /// `chance` is a random number from 0 to 1.
    mutating func answered(
        sent: MonotonicInstant,
        timeToLive: Duration,
        chance: Double
    ) -> MonotonicInstant? {
        if hasEnded { return nil }
        let timeToLive = timeToLive.wholeNanoseconds
        let deadline = max(sent.advanced(by: timeToLive), deadline ?? sent)
        self.deadline = deadline
        risk = max(sent.advanced(by: timeToLive - timeToLive / 3), risk ?? sent)
        isAtRisk = false
        if let unanswered, unanswered <= sent { self.unanswered = nil }
        // While a newer renewal is not answered, another one is not useful before the newer one would be repeated.
        let interval = Int64(Double(timeToLive / 3) * (1 - Self.jitter * chance))
        due = max(sent.advanced(by: interval), unanswered.map { $0 + Self.retryInterval } ?? sent)
        return deadline
    }

    /// The stream has ended, so there will be no answers.
    mutating func disconnected(at now: MonotonicInstant) {
        guard unanswered != nil else { return }
        unanswered = nil
        due = now
    }

    mutating func renewSoon(at now: MonotonicInstant) {
        if unanswered == nil { due = now }
    }

    mutating func end() { hasEnded = true }
}
