// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances that a balancer knows, with their counts, and the choice among them: a value without clock and I/O.
///
/// A change of one member costs the same however many there are: sums and lists are kept up to date with it, see
/// ``InstancePool/Standing``.
struct InstancePool: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// A change of an instance.
    struct Change: Sendable {
        /// The instance as it was; nil if there was none.
        var old: ServiceInstance?
        /// The instance as it is; nil if it has gone.
        var new: ServiceInstance?
        /// It fails active checks.
        var failsChecks = false
    }

    /// A request in flight.
    struct Ticket: Sendable {
        let instance: ServiceInstance
        let serial: Int
        let start: Instant
        fileprivate let era: Int
        fileprivate let isProbe: Bool
        /// The index of the member, unless others have been forgotten since.
        fileprivate let place: Int
    }

    /// The same ID at another address is another instance.
    private struct Identity: Hashable {
        let id: Key
        let address: String
        let port: Int

        init(_ instance: ServiceInstance) {
            (id, address, port) = (Key(instance.id), instance.address, instance.port)
        }
    }

    /// The time for which an instance that has gone is remembered.
    static let memory = Duration.seconds(300)

    let outliers: OutlierDetection?
    private let zone: String?
    /// The time after which a latency counts for about a third.
    private let decay: Duration
    private var selector: any InstanceSelector
    var random: SplitMix64
    private(set) var members: [PoolMember] = []
    private var places: [Identity: Int] = [:]
    /// The instances that are gone, in the order in which they left.
    private var departures: ArraySlice<(identity: Identity, instant: Instant)> = []
    private var lastSerial = 0
    /// Counts the intervals of the success rates.
    private var interval = 0
    private var nextRotation: Instant

    /// Sums over the present members.
    private(set) var census = Census()
    /// Members whose status is `up`.
    private var up = PlaceList()
    /// Members that are ejected, or probed after an ejection.
    private(set) var outOfService = PlaceList()
    /// Members to choose from: those of the own zone, if there is one, and the others.
    private var near = PlaceList()
    private var far = PlaceList()
    /// The time at which the first ejection is over, or an earlier one.
    private var nextReturn: Instant?
    /// The latency to assume for an instance without answers, in seconds, and for how many more uses it is valid.
    private var median: (seconds: Double?, life: Int) = (nil, 0)

    init(
        _ policy: BalancingPolicy,
        outliers: OutlierDetection? = OutlierDetection(),
        zone: String? = nil,
        random: SplitMix64 = SplitMix64(),
        at now: Instant
    ) {
        var random = random
        selector = policy.makeSelector(SplitMix64(seed: random.next()))
        self.random = random
        self.outliers = outliers
        // A key would have as many instances as there are zones.
        if case .consistentHash = policy.kind { self.zone = nil } else { self.zone = zone }
        if case .peakEWMA(_, let decay) = policy.kind { self.decay = decay } else { decay = .seconds(10) }
        nextRotation = now
    }

    // MARK: Members

    /// Applies changes; counts and latencies of the instances stay.
    mutating func apply(_ changes: [Change], at now: Instant) {
        for change in changes {
            if let old = change.old.map(Identity.init), old != change.new.map(Identity.init), let place = places[old] {
                self.change(place) { $0.departure = now }
                departures.append((old, now))
            }
            guard let new = change.new else { continue }
            if let place = places[Identity(new)] {
                self.change(place) { member in
                    member.update(new)
                    member.failsChecks = change.failsChecks
                }
            } else {
                lastSerial += 1
                var member = PoolMember(new, serial: lastSerial, interval: interval)
                member.failsChecks = change.failsChecks
                places[Identity(new)] = members.count
                members.append(member)
                count(Standing(), Standing(member, zone), at: members.count - 1)
            }
        }
        forgetDeparted(now)
        keepLimit()
    }

    /// Changes a member, and updates sums and lists.
    mutating func change(_ place: Int, _ body: (inout PoolMember) -> Void) {
        members[place].rotate(to: interval)
        let before = Standing(members[place], zone)
        body(&members[place])
        count(before, Standing(members[place], zone), at: place)
    }

    private mutating func count(_ before: Standing, _ after: Standing, at place: Int) {
        census.count(before, -1)
        census.count(after, 1)
        func enlist(_ list: inout PlaceList, _ isListed: (Standing) -> Bool) {
            if isListed(before) == isListed(after) { return }
            if isListed(after) { list.insert(place) } else { list.remove(place) }
        }
        enlist(&up, \.isUp)
        enlist(&outOfService, \.isOutOfService)
        enlist(&near) { $0.isCandidate && $0.isNear }
        enlist(&far) { $0.isCandidate && !$0.isNear }
        if let time = after.returnTime { nextReturn = min(time, nextReturn ?? time) }
    }

    private mutating func forgetDeparted(_ now: Instant) {
        while let (identity, instant) = departures.first, now - instant > Self.memory {
            departures.removeFirst()
            guard let place = places[identity], members[place].departure == instant else { continue }
            places[identity] = nil
            // The last member takes its place. A member that has gone is in no list.
            let last = members.removeLast()
            if place == members.count { continue }
            members[place] = last
            places[Identity(last.instance)] = place
            up.rename(members.count, place)
            outOfService.rename(members.count, place)
            near.rename(members.count, place)
            far.rename(members.count, place)
        }
    }

    // MARK: Choices

    /// Whether so few members are healthy that all are used.
    var isPanicking: Bool { Double(census.healthy) < (outliers?.panicThreshold ?? 0) * Double(census.up) }

    /// Whether there is a member to choose.
    var isAvailable: Bool { isPanicking ? !up.isEmpty : !near.isEmpty || !far.isEmpty }

    /// The members to choose from, without `tried`; those of the own zone or of the others, if there is a choice.
    private mutating func candidates(without tried: [Int]) -> [Int] {
        let lists = isPanicking ? [up] : isFarNext() ? [far, near] : [near, far]
        for list in lists {
            let rest = tried.isEmpty ? list.places : list.places.filter { !tried.contains($0) }
            if !rest.isEmpty { return rest }
        }
        return []
    }

    /// Whether the request is for another zone.
    private mutating func isFarNext() -> Bool {
        if near.isEmpty || far.isEmpty { return near.isEmpty }
        // A zone bears its load as long as seven in ten of its members are healthy.
        let share = 1.4 * Double(near.count) / Double(max(1, census.near))
        return share < 1 && Double.random(in: 0..<1, using: &random) >= share
    }

    // MARK: Requests

    /// Chooses an instance, and counts a request in flight.
    ///
    /// - Parameters:
    ///   - keyHash: The hash of the key, if there is one.
    ///   - tried: The attempts of the same request, whose instances are not to be chosen.
    ///   - now: The time.
    /// - Returns: The request, to be finished; nil if there is no instance.
    mutating func pick(keyHash: UInt64?, excluding tried: [Ticket] = [], at now: Instant) -> Ticket? {
        advance(to: now)
        let candidates = candidates(without: tried.compactMap(place))
        if candidates.isEmpty { return nil }
        let request = SelectionRequest(keyHash: keyHash, now: now)
        let place = selector.select(from: candidates, of: &members, for: request)
        members[place].inFlight += 1
        let isProbe = members[place].isProbeDue
        if isProbe { change(place) { $0.isProbed = true } }
        let member = members[place]
        return Ticket(
            instance: member.instance,
            serial: member.serial,
            start: now,
            era: member.era,
            isProbe: isProbe,
            place: place
        )
    }

    /// The index of the member that has got a request; nil if it was forgotten.
    private func place(of ticket: Ticket) -> Int? {
        let isThere = members.indices.contains(ticket.place) && members[ticket.place].serial == ticket.serial
        guard let place = isThere ? ticket.place : places[Identity(ticket.instance)] else { return nil }
        return members[place].serial == ticket.serial ? place : nil
    }

    /// Notes how a request has ended; nil if the instance is not responsible.
    mutating func finish(_ ticket: Ticket, _ outcome: PickedInstance.Outcome?, at now: Instant) {
        advance(to: now)
        guard let place = place(of: ticket) else { return }
        members[place].inFlight -= 1
        let isUnknown = outcome == .failure && members[place].latency.seconds == nil
        let median = isUnknown ? medianLatency() : nil
        members[place].latency.observe(now - ticket.start, outcome, median: median, at: now, decay: decay)
        if let outcome { members[place].total.count(outcome == .success) }
        guard ticket.era == members[place].era else { return }
        if let outcome { judge(place, outcome, at: now) }
        if ticket.isProbe, ticket.era == members[place].era { change(place) { $0.isProbed = false } }
    }

    private mutating func medianLatency() -> Double? {
        if median.life <= 0 { median = (LatencyEstimate.median(of: members.lazy.map(\.latency)), members.count / 16) }
        median.life -= 1
        return median.seconds
    }

    /// Begins new intervals, and ends ejections, as the time has come.
    private mutating func advance(to now: Instant) {
        guard let outliers else { return }
        if now >= nextRotation {
            let length = max(.milliseconds(1), outliers.interval.bounded)
            let count = Int(min(1_000_000, (now - nextRotation) / length)) + 1
            interval += count
            census.rotate(count)
            nextRotation = now + length
        }
        guard let nextReturn, nextReturn <= now else { return }
        for place in outOfService.places where members[place].returnTime.map({ $0 <= now }) ?? false {
            change(place) { $0.change(.probing(0)) }
        }
        self.nextReturn = outOfService.places.compactMap { members[$0].returnTime }.min()
    }
}
