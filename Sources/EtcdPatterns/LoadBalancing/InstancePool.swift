// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances that a balancer knows, what it has seen of them, and whom it chooses: a value without clock and I/O.
struct InstancePool: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// A request that is on its way to an instance.
    struct Ticket: Sendable {
        let instance: ServiceInstance
        let serial: Int
        let start: Instant
        fileprivate let era: Int
        fileprivate let isProbe: Bool
        /// Where the member was, and is unless others have been forgotten.
        fileprivate let index: Int
    }

    /// How long what is known of an instance that has gone is kept.
    static let memory = Duration.seconds(300)

    let outliers: OutlierDetection?
    private let zone: String?
    /// For which time latencies count.
    private let decay: Duration
    private var selector: any InstanceSelector
    var random: SplitMix64
    var members: [PoolMember] = []
    private var lastSerial = 0
    /// Who is chosen from: indices of members.
    private var candidates: [Int] = []
    /// The candidates of the own zone, the others, and which share of the requests is for the own.
    private var zones: (own: [Int], others: [Int], share: Double) = ([], [], 0)
    private(set) var isPanicking = false
    /// When the first ejection is over.
    private var nextReturn: Instant?
    private var nextRotation: Instant

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

    // MARK: Who is there

    /// Takes over who is there; what is known of the instances stays.
    ///
    /// One with the same ID at another address is another instance.
    mutating func update(_ instances: [ServiceInstance], unhealthy: Set<ServiceInstance.ID> = [], at now: Instant) {
        var known: [Identity: Int] = [:]
        for index in members.indices {
            known[Identity(members[index].instance)] = index
            members[index].departure = members[index].departure ?? now
        }
        var ids = Set<String>()
        for instance in instances where ids.insert(instance.id).inserted {
            if let index = known[Identity(instance)] {
                members[index].update(instance)
            } else {
                lastSerial += 1
                members.append(PoolMember(instance, serial: lastSerial))
            }
        }
        for index in members.indices { members[index].failsChecks = unhealthy.contains(members[index].instance.id) }
        members.removeAll { $0.departure.map { now - $0 > Self.memory } ?? false }
        updateCandidates()
    }

    private struct Identity: Hashable {
        let id: String
        let address: String
        let port: Int

        init(_ instance: ServiceInstance) {
            (id, address, port) = (instance.id, instance.address, instance.port)
        }
    }

    /// Finds out who is chosen from, after a change of members or of their health.
    mutating func updateCandidates() {
        let up = members.indices.filter { members[$0].isUp }
        keepLimit(among: up)
        let healthy = up.count { members[$0].isHealthy }
        isPanicking = Double(healthy) < (outliers?.panicThreshold ?? 0) * Double(up.count)
        candidates = isPanicking ? up : up.filter { members[$0].isCandidate }
        nextReturn = up.compactMap { members[$0].returnTime }.min()
        guard let zone else { return }
        let own = up.filter { members[$0].instance.zone == zone }
        zones.own = candidates.filter { members[$0].instance.zone == zone }
        zones.others = candidates.filter { members[$0].instance.zone != zone }
        // As long as seven in ten are well, a zone bears its load.
        zones.share = min(1, 1.4 * Double(zones.own.count) / Double(max(1, own.count)))
    }

    /// There is somebody to choose.
    var isAvailable: Bool { !candidates.isEmpty }

    // MARK: Requests

    /// Chooses an instance, and counts a request in flight.
    ///
    /// - Parameters:
    ///   - keyHash: The hash of the key, if there is one.
    ///   - tried: The serial numbers of those that are not to be chosen.
    ///   - now: The time.
    /// - Returns: The request, to be finished; nil if there is no instance.
    mutating func pick(keyHash: UInt64?, excluding tried: [Int] = [], at now: Instant) -> Ticket? {
        advance(to: now)
        var choice = candidates
        if zone != nil, !isPanicking { choice = drawZone() }
        if !tried.isEmpty {
            choice = candidates.filter { !tried.contains(members[$0].serial) }
        }
        if choice.isEmpty { return nil }
        let request = SelectionRequest(keyHash: keyHash, now: now)
        let index = selector.select(from: choice, of: &members, for: request)
        members[index].inFlight += 1
        let isProbe = members[index].beginProbe()
        if isProbe { updateCandidates() }
        let member = members[index]
        return Ticket(
            instance: member.instance,
            serial: member.serial,
            start: now,
            era: member.era,
            isProbe: isProbe,
            index: index
        )
    }

    private mutating func drawZone() -> [Int] {
        if zones.own.isEmpty { return zones.others }
        if zones.others.isEmpty || zones.share >= 1 { return zones.own }
        return Double.random(in: 0..<1, using: &random) < zones.share ? zones.own : zones.others
    }

    /// Takes over how a request has ended; nil if that says nothing of the instance.
    mutating func finish(_ ticket: Ticket, _ outcome: PickedInstance.Outcome?, at now: Instant) {
        advance(to: now)
        let isThere = members.indices.contains(ticket.index) && members[ticket.index].serial == ticket.serial
        let place = isThere ? ticket.index : members.firstIndex { $0.serial == ticket.serial }
        guard let index = place else { return }
        members[index].inFlight -= 1
        var latency = members[index].latency
        latency.observe(
            now - ticket.start,
            outcome,
            median: LatencyEstimate.median(of: members.lazy.map(\.latency)),
            at: now,
            decay: decay
        )
        members[index].latency = latency
        if let outcome { members[index].total.count(outcome == .success) }
        guard ticket.era == members[index].era else { return }
        if let outcome { judge(index, outcome, at: now) }
        if ticket.isProbe, ticket.era == members[index].era {
            members[index].isProbed = false
            updateCandidates()
        }
    }

    /// Does what is due.
    private mutating func advance(to now: Instant) {
        guard let outliers else { return }
        if now >= nextRotation {
            let interval = max(.milliseconds(1), outliers.interval.bounded)
            let count = Int(min(1_000_000, (now - nextRotation) / interval)) + 1
            for index in members.indices { members[index].rotate(count) }
            nextRotation = now + interval
        }
        guard let nextReturn, nextReturn <= now else { return }
        for index in members.indices where members[index].returnTime.map({ $0 <= now }) ?? false {
            members[index].change(.probing(0))
        }
        updateCandidates()
    }
}
