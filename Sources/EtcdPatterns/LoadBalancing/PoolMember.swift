// SPDX-License-Identifier: Apache-2.0

/// An instance, and what its balancer has seen of it.
struct PoolMember: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// Whether an instance gets requests, by how it has answered those before.
    enum Health: Sendable, Hashable {
        case healthy
        /// It would be ejected, but too many are.
        case failing
        /// It gets nothing until then.
        case ejected(until: Instant)
        /// It gets one request at a time, and so many have succeeded.
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

    /// Which entry of the pool it is, for good.
    let serial: Int
    private(set) var instance: ServiceInstance
    /// Of the ID, which is what stays when all else changes.
    let hash: UInt64
    /// Within bounds that no sum of them overflows.
    private(set) var weight: Int
    /// When it went; nil while it is there.
    var departure: Instant?

    /// Active checks say that it is not well.
    var failsChecks = false

    var inFlight = 0
    /// What smooth round robin owes it.
    var credit = 0
    var latency = LatencyEstimate()
    var total = Tally()

    private(set) var health = Health.healthy
    /// Counts changes of health: a request that began before the last one says nothing of it.
    private(set) var era = 0
    /// The request that a probing instance may have is on its way.
    var isProbed = false
    private(set) var consecutiveFailures = 0
    /// How many ejections count for the length of the next one.
    var ejections = 0
    /// Since the last interval began, and in the one before.
    private(set) var current = Tally()
    private(set) var previous = Tally()
    /// Which interval that is.
    private var interval: Int

    init(_ instance: ServiceInstance, serial: Int, interval: Int) {
        self.serial = serial
        self.interval = interval
        self.instance = instance
        hash = RendezvousHash.hash(instance.id.utf8)
        weight = Self.bounded(instance.weight)
    }

    private static func bounded(_ weight: Int) -> Int { min(max(1, weight), 1_000_000) }

    /// It has said something new of itself.
    mutating func update(_ instance: ServiceInstance) {
        self.instance = instance
        weight = Self.bounded(instance.weight)
        departure = nil
    }

    /// It is there, and takes requests, as far as it knows.
    var isUp: Bool { departure == nil && instance.status == .up }

    /// It gets its share.
    var isHealthy: Bool { health == .healthy && !failsChecks }

    /// It gets no requests, or one at a time.
    var isOutOfService: Bool {
        switch health {
        case .ejected, .probing: true
        case .healthy, .failing: false
        }
    }

    /// It may get a request now, unless all do.
    var isCandidate: Bool {
        switch health {
        case .healthy, .failing: !failsChecks
        case .ejected: false
        case .probing: !failsChecks && !isProbed
        }
    }

    /// When its ejection is over, if it is ejected.
    var returnTime: Instant? {
        if case .ejected(let until) = health { return until }
        return nil
    }

    /// Whether the request that it gets now is the one that a probing instance may have.
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

    /// What the success rate stands on.
    var recent: Tally { current + previous }

    /// Counts an answer to a request of this era.
    mutating func count(isSuccess: Bool) {
        current.count(isSuccess)
        consecutiveFailures = isSuccess ? 0 : consecutiveFailures + 1
    }

    /// Comes to this interval, which it may have missed the beginning of.
    mutating func rotate(to interval: Int) {
        let missed = interval - self.interval
        if missed <= 0 { return }
        self.interval = interval
        previous = missed > 1 ? Tally() : current
        current = Tally()
        if health == .healthy { ejections = max(0, ejections - missed) }
    }
}
