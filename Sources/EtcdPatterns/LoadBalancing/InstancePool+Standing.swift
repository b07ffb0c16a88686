// SPDX-License-Identifier: Apache-2.0

extension InstancePool {
    /// The part of a member in the sums and lists of the pool.
    struct Standing {
        var isUp = false
        var isHealthy = false
        var isOutOfService = false
        var failsChecks = false
        var isCandidate = false
        var isNear = false
        var isDraining = false
        var isDown = false
        var returnTime: Instant?
        var current = PoolMember.Tally()
        var previous = PoolMember.Tally()

        /// The standing of no member.
        init() {}

        /// The standing of a member for a caller in a zone, or without one.
        init(_ member: PoolMember, _ zone: String?) {
            let isPresent = member.departure == nil
            isDraining = isPresent && member.instance.status == .draining
            isDown = isPresent && (member.instance.status == .down || member.failsChecks)
            isUp = member.isUp
            guard isUp else { return }
            isHealthy = member.isHealthy
            isOutOfService = member.isOutOfService
            failsChecks = member.failsChecks
            isCandidate = member.isCandidate
            isNear = zone == nil || member.instance.zone == zone
            returnTime = member.returnTime
            (current, previous) = (member.current, member.previous)
        }
    }

    /// Sums over all members.
    struct Census: Sendable {
        /// Present members with the status `up`; the sums below are of these, except for the last two.
        private(set) var up = 0
        private(set) var healthy = 0
        private(set) var near = 0
        private(set) var failingChecks = 0
        /// Members that are ejected, are probed, or fail the checks.
        private(set) var unusable = 0
        private(set) var draining = 0
        private(set) var down = 0
        private var current = PoolMember.Tally()
        private var previous = PoolMember.Tally()

        /// The answers of the last one to two intervals.
        var recent: PoolMember.Tally { current + previous }

        mutating func count(_ standing: Standing, _ number: Int) {
            func add(_ sum: inout Int, _ counts: Bool) { if counts { sum += number } }
            add(&up, standing.isUp)
            add(&healthy, standing.isHealthy)
            add(&near, standing.isUp && standing.isNear)
            add(&failingChecks, standing.failsChecks)
            add(&unusable, standing.isOutOfService || standing.failsChecks)
            add(&draining, standing.isDraining)
            add(&down, standing.isDown)
            current = current + standing.current * number
            previous = previous + standing.previous * number
        }

        /// Begins a new interval, after this number of intervals.
        mutating func rotate(_ intervals: Int) {
            previous = intervals > 1 ? PoolMember.Tally() : current
            current = PoolMember.Tally()
        }
    }
}

/// Some of the members of a pool, by their places: one is added, found and removed in constant time.
struct PlaceList: Sendable {
    private(set) var places: [Int] = []
    private var positions: [Int: Int] = [:]

    var count: Int { places.count }
    var isEmpty: Bool { places.isEmpty }

    mutating func insert(_ place: Int) {
        if positions[place] != nil { return }
        positions[place] = places.count
        places.append(place)
    }

    /// Removes a place; the last one of the list takes its position.
    mutating func remove(_ place: Int) {
        guard let position = positions.removeValue(forKey: place) else { return }
        let last = places.removeLast()
        if last == place { return }
        places[position] = last
        positions[last] = position
    }

    /// Notes that a member has another place now.
    mutating func rename(_ place: Int, _ new: Int) {
        guard let position = positions.removeValue(forKey: place) else { return }
        places[position] = new
        positions[new] = position
    }
}
