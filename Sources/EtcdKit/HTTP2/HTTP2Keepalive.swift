// SPDX-License-Identifier: Apache-2.0

/// When a silent connection is pinged, and when it is closed.
struct HTTP2Keepalive: Sendable {
    enum Step: Sendable {
        /// Something has come, or the ping may still be answered.
        case wait
        case ping
        /// The ping was not answered in time.
        case giveUp
        /// Nobody uses the connection.
        case rest
    }

    let timeout: Duration
    private let interval: Duration
    private(set) var lastReceived: MonotonicInstant
    private var pingSent: MonotonicInstant?

    init(interval: Duration, timeout: Duration, at now: MonotonicInstant) {
        self.interval = interval
        self.timeout = timeout
        lastReceived = now
    }

    /// When ``check(at:isInUse:)`` is to be called next.
    var due: MonotonicInstant { pingSent.map { $0 + timeout } ?? lastReceived + interval }

    /// Something has come from the peer, which answers a ping, too.
    ///
    /// - Returns: Whether ``due`` is another time now, because a ping was on its way.
    mutating func noteSignOfLife(at now: MonotonicInstant) -> Bool {
        lastReceived = now
        return pingSent.take() != nil
    }

    /// The next step; a ping counts as sent from then on.
    mutating func check(at now: MonotonicInstant, isInUse: Bool) -> Step {
        if pingSent != nil { return .giveUp }
        if !isInUse { return .rest }
        if now < lastReceived + interval { return .wait }
        pingSent = now
        return .ping
    }
}
