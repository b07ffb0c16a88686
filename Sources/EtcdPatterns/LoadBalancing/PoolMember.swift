// SPDX-License-Identifier: Apache-2.0

/// An instance with its counts and its health.
struct PoolMember: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Whether an instance gets requests, by its earlier answers.
    enum Health: Sendable, Hashable {
        case healthy
        /// It would be ejected, but too many members are.
        case failing
        /// It gets no requests until then.
        case ejected(until: Instant)
        /// It gets one request at a time; this number of them have succeeded.
        case probing(Int)
    }

    /// Answers in an interval.
    struct Tally: Sendable {
        var successes = 0
        var failures = 0

        var count: Int { successes + failures }
        var successRate: Double { count == 0 ? 1 : Double(successes) / Double(count) }

        mutating func count(_ isSuccess: Bool) {
            if isSuccess { successes += 1 } else { failures += 1 }
        }

        static func + (left: Self, right: Self) -> Self {
            Self(successes: left.successes + right.successes, failures: left.failures + right.failures)
        }

        static func * (tally: Self, number: Int) -> Self {
            Self(successes: tally.successes * number, failures: tally.failures * number)
        }
    }

    /// Identifies the member in the pool.
    let serial: Int
    private(set) var instance: ServiceInstance
    /// The hash of the ID.
    let hash: UInt64
    /// The weight, bounded so that no sum overflows.
    var weight: Int { min(max(1, instance.weight), 1_000_000) }
    /// The time at which it left; nil while it is present.
    var departure: Instant?

    /// Whether it fails active checks.
    var failsChecks = false

    var inFlight = 0
    /// The credit of smooth weighted round robin.
    var credit = 0
    var latency = LatencyEstimate()
    var total = Tally()

    private(set) var health = Health.healthy
    /// Counts changes of health: the outcome of a request from before a change does not count after it.
    private(set) var era = 0
    /// Whether the one request of a probing instance is in flight.
    var isProbed = false
    private(set) var consecutiveFailures = 0
    /// The number of ejections that count for the length of the next one.
    var ejections = 0
    /// The answers of the present interval, and of the one before.
    private(set) var current = Tally()
    private(set) var previous = Tally()
    /// The number of the present interval.
    private var interval: Int

    init(_ instance: ServiceInstance, serial: Int, interval: Int) {
        self.serial = serial
        self.interval = interval
        self.instance = instance
        hash = RendezvousHash.hash(instance.id.utf8)
    }

    /// Takes a new description of the instance.
    mutating func update(_ instance: ServiceInstance) {
        self.instance = instance
        departure = nil
    }

    /// Whether it is present with the status `up`.
    var isUp: Bool { departure == nil && instance.status == .up }

    /// Whether it gets its share.
    var isHealthy: Bool { health == .healthy && !failsChecks }

    /// Whether it gets no requests, or one at a time.
    var isOutOfService: Bool {
        switch health {
        case .ejected, .probing: true
        case .healthy, .failing: false
        }
    }

    /// Whether it may get a request now.
    var isCandidate: Bool { !failsChecks && (!isOutOfService || isProbeDue) }

    /// The time at which its ejection is over; nil if it is not ejected.
    var returnTime: Instant? {
        if case .ejected(let until) = health { return until }
        return nil
    }

    /// Whether the next request is the one that a probing instance may have.
    var isProbeDue: Bool {
        if case .probing = health { return !isProbed }
        return false
    }

    mutating func change(_ health: Health) {
        self.health = health
        era += 1
        isProbed = false
        consecutiveFailures = 0
        (current, previous) = (Tally(), Tally())
    }

    /// The answers that the success rate is computed from.
    var recent: Tally { current + previous }

    /// Counts an answer to a request of this era.
    mutating func count(isSuccess: Bool) {
        current.count(isSuccess)
        consecutiveFailures = isSuccess ? 0 : consecutiveFailures + 1
    }

    /// Begins this interval; some intervals may have been skipped.
    mutating func rotate(to interval: Int) {
        let missed = interval - self.interval
        if missed <= 0 { return }
        self.interval = interval
        previous = missed > 1 ? Tally() : current
        current = Tally()
        if health == .healthy { ejections = max(0, ejections - missed) }
    }
}
