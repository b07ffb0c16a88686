// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LoadBalancer: ejection of outliers", .unit, .timeLimit(.minutes(2)))
struct OutlierTests {
    private static let policies: [BalancingPolicy] = [
        .roundRobin, .weightedRoundRobin, .random, .weightedRandom, .leastConnections, .peakEWMA(), .consistentHash(),
    ]

    /// Sends requests until `i0` is ejected.
    private func eject(_ virtual: VirtualBalancer) throws {
        for _ in 0..<20 where virtual.health("i0") == .healthy {
            for _ in 0..<4 { try virtual.request(succeeds: { $0.id != "i0" }) }
        }
        try #require(virtual.health("i0") == .ejected)
    }

    @Test("one bad instance of four gets less than 2 % of the requests under every policy", arguments: policies)
    func oneBad(policy: BalancingPolicy) throws {
        let share = try share(policy, OutlierDetection())
        #expect(share < 0.02)
        #expect(share > 0.0008, "it is probed")
        // The control; the latency has a penalty for failures.
        if policy != .peakEWMA() { #expect(try self.share(policy, nil) > 0.1) }
    }

    /// The share of a bad instance of four, of fifty requests a second for two minutes.
    private func share(_ policy: BalancingPolicy, _ outliers: OutlierDetection?) throws -> Double {
        let virtual = VirtualBalancer(policy, instances(4)) { $0.outliers = outliers }
        let counts = try virtual.counts(6000) {
            try virtual.request(taking: { _ in .milliseconds(20) }, succeeds: { $0.id != "i2" })
        }
        return Double(counts["i2"] ?? 0) / 6000
    }

    @Test(
        "when all instances fail, all are used, and all are healthy again when they no longer fail",
        arguments: policies
    )
    func allBad(policy: BalancingPolicy) throws {
        let virtual = VirtualBalancer(policy, instances(4))
        for _ in 0..<500 { try virtual.request(succeeds: { _ in false }) }
        #expect(virtual.balancer.statistics.isPanicking)
        let counts = try virtual.counts(500) { try virtual.request(succeeds: { _ in false }) }
        #expect(counts.count == 4, "nobody is left out: \(counts)")
        for _ in 0..<500 { try virtual.request() }
        virtual.clock.advance(by: .seconds(400))
        for _ in 0..<500 { try virtual.request() }
        #expect(!virtual.balancer.statistics.isPanicking)
        #expect(virtual.balancer.statistics.instances.allSatisfy { $0.health == .healthy })
    }

    @Test("the answers in the sum of all instances count for two intervals")
    func forgetting() {
        var census = InstancePool.Census()
        var standing = InstancePool.Standing()
        standing.current = PoolMember.Tally(successes: 3, failures: 1)
        census.count(standing, 1)
        #expect(census.recent.count == 4)
        census.rotate(1)
        #expect(census.recent.count == 4)
        census.rotate(1)
        #expect(census.recent.count == 0)
        census.count(standing, 1)
        census.rotate(2)
        #expect(census.recent.count == 0)
    }

    @Test("random events never eject too many instances or all, and requests that have ended are not in flight")
    func limits() throws {
        for seed in 0..<30 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var outliers = OutlierDetection()
            outliers.consecutiveFailures = 2
            outliers.baseEjection = .seconds(2)
            outliers.maximumEjectedShare = [0, 0.3, 0.5, 1].randomElement(using: &random) ?? 0
            outliers.panicThreshold = [0, 0.5].randomElement(using: &random) ?? 0
            let policy = Self.policies.randomElement(using: &random) ?? .random
            let virtual = VirtualBalancer(policy, instances(6), seed: seed) { $0.outliers = outliers }
            var held: [PickedInstance] = []
            var mostEjected = 0
            for _ in 0..<1500 {
                switch Int.random(in: 0..<20, using: &random) {
                case 0:
                    let count = Int.random(in: 1...8, using: &random)
                    virtual.balancer.update(instances(8).shuffled(using: &random).suffix(count))
                case 1: virtual.clock.advance(by: .seconds(1))
                case 2..<9 where !held.isEmpty:
                    let picked = held.remove(at: Int.random(in: held.indices, using: &random))
                    if Int.random(in: 0..<9, using: &random) > 0 {
                        picked.finish(Bool.random(using: &random) ? .success : .failure)
                    }
                default: held.append(try virtual.balancer.pick())
                }
                let statistics = virtual.balancer.statistics.instances
                let present = statistics.filter { !$0.isGone }
                let ejected = present.count { $0.health == .ejected || $0.health == .probing }
                #expect(ejected <= outliers.limit(of: present.count))
                #expect(ejected < present.count)
                #expect(statistics.reduce(0) { $0 + $1.inFlight } == held.count)
                mostEjected = max(mostEjected, ejected)
            }
            #expect(outliers.maximumEjectedShare == 0 ? mostEjected == 0 : mostEjected > 0, "seed \(seed)")
            held = []
            #expect(virtual.balancer.statistics.instances.allSatisfy { $0.inFlight == 0 })
        }
    }

    @Test("the limit of ejections rounds down, and leaves one instance")
    func limit() {
        var outliers = OutlierDetection()
        #expect((0...6).map(outliers.limit) == [0, 0, 1, 1, 2, 2, 3])
        outliers.maximumEjectedShare = 1
        #expect((0...3).map(outliers.limit) == [0, 0, 1, 2])
        outliers.maximumEjectedShare = .nan
        #expect(outliers.limit(of: 9) == 0)
        outliers.maximumEjectedShare = -.infinity
        #expect(outliers.limit(of: 9) == 0)
    }

    @Test("each ejection is longer, up to a limit, and has a random part")
    func times() {
        var outliers = OutlierDetection()
        outliers.jitter = 0.5
        #expect(outliers.ejection(1, chance: 0) == .seconds(30))
        #expect(outliers.ejection(3, chance: 0) == .seconds(90))
        #expect(outliers.ejection(3, chance: 1) == .seconds(135))
        #expect(outliers.ejection(1000, chance: 0) == .seconds(300))
        #expect(outliers.ejection(.max, chance: 0) == .seconds(300))
        outliers.baseEjection = .seconds(-1)
        #expect(outliers.ejection(1, chance: 1) == .zero)
    }

    @Test("invalid settings do not break the balancer", arguments: [true, false])
    func oddSettings(large: Bool) throws {
        var outliers = OutlierDetection()
        outliers.consecutiveFailures = large ? .max : .min
        outliers.successRateMargin = large ? .infinity : -.infinity
        outliers.minimumVolume = large ? .max : .min
        outliers.interval = .seconds(large ? Int64.max : .min)
        outliers.baseEjection = outliers.interval
        outliers.maximumEjection = outliers.interval
        outliers.jitter = large ? .infinity : .nan
        outliers.maximumEjectedShare = large ? .infinity : .nan
        outliers.panicThreshold = .nan
        outliers.probes = large ? .max : .min
        for policy in Self.policies + [.peakEWMA(choices: large ? .max : .min, decay: outliers.interval)] {
            let virtual = VirtualBalancer(policy, instances(4)) { $0.outliers = outliers }
            for round in 0..<200 {
                try virtual.request(succeeds: { $0.id == "i0" && round.isMultiple(of: 2) })
            }
            #expect(virtual.balancer.statistics.instances.reduce(0) { $0 + $1.failures + $1.successes } == 200)
        }
        outliers.consecutiveFailures = 1
        outliers.maximumEjectedShare = 1
        let virtual = VirtualBalancer(.roundRobin, instances(4)) { $0.outliers = outliers }
        for _ in 0..<200 { try virtual.request(succeeds: { _ in false }) }
        #expect(virtual.balancer.statistics.instances.contains { $0.health == .failing })
    }

    @Test("after an ejection, one request at a time probes the instance, and three successes bring it back")
    func probing() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4)) { $0.outliers?.jitter = 0 }
        try eject(virtual)
        virtual.clock.advance(by: .seconds(29))
        #expect(try virtual.counts(100) { try virtual.balancer.pick().instance.id }["i0"] == nil)
        virtual.clock.advance(by: .seconds(1))
        for number in 1...3 {
            let held = try (0..<20).map { _ in try virtual.balancer.pick() }
            let probes = held.filter { $0.instance.id == "i0" }
            #expect(probes.count == 1)
            #expect(virtual.health("i0") == .probing)
            // A probe that is given up has no result, and the next request is a probe again.
            if number == 2 { continue }
            for picked in held { picked.finish() }
        }
        #expect(virtual.health("i0") == .probing)
        for _ in 0..<4 { try virtual.request() }
        #expect(virtual.health("i0") == .healthy)
    }

    @Test("a failed probe ejects for longer; a time without failures shortens the next ejection")
    func repeatedEjection() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4)) { $0.outliers?.jitter = 0 }
        try eject(virtual)
        virtual.clock.advance(by: .seconds(30))
        let counts = try virtual.counts(100) {
            try virtual.request(taking: { _ in .zero }, succeeds: { $0.id != "i0" })
        }
        #expect(counts["i0"] == 1)
        virtual.clock.advance(by: .seconds(59))
        #expect(try virtual.counts(100) { try virtual.balancer.pick().instance.id }["i0"] == nil)
        virtual.clock.advance(by: .seconds(1))
        for _ in 0..<40 { try virtual.request() }
        #expect(virtual.health("i0") == .healthy)
        virtual.clock.advance(by: .seconds(25))
        try virtual.request()
        try eject(virtual)
        virtual.clock.advance(by: .seconds(31))
        try virtual.request()
        #expect(virtual.health("i0") == .probing)
    }

    @Test("answers to requests before an ejection neither lengthen nor end it")
    func lateAnswers() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4)) { $0.outliers?.jitter = 0 }
        let early = try (0..<40).map { _ in try virtual.balancer.pick() }
        try eject(virtual)
        for (number, picked) in early.enumerated() { picked.finish(number.isMultiple(of: 3) ? .failure : .success) }
        #expect(virtual.health("i0") == .ejected)
        virtual.clock.advance(by: .seconds(30))
        for _ in 0..<4 { try virtual.request() }
        #expect(virtual.health("i0") == .probing)
    }

    @Test("an instance with more failures than the others is ejected, also if not in a row; one with as many is not")
    func successRate() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4))
        var number = 0
        for _ in 0..<200 {
            try virtual.request(succeeds: { instance in
                number += 1
                return instance.id != "i0" || (number / 4).isMultiple(of: 2)
            })
        }
        #expect(virtual.health("i0") == .ejected)
        let alike = VirtualBalancer(.roundRobin, instances(4))
        for round in 0..<100 {
            for _ in 0..<4 { try alike.request(succeeds: { _ in round.isMultiple(of: 2) }) }
        }
        #expect(alike.balancer.statistics.instances.allSatisfy { $0.health == .healthy && $0.failures == 50 })
    }

    @Test("when healthy instances leave, ejected ones are used again")
    func shrinkage() throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4))
        for _ in 0..<100 { try virtual.request(succeeds: { $0.id != "i0" && $0.id != "i1" }) }
        #expect(virtual.health("i0") == .ejected && virtual.health("i1") == .ejected)
        virtual.balancer.update([instance("i0"), instance("i1")])
        #expect(try virtual.counts(100) { try virtual.balancer.pick().instance.id }.count == 2)
        #expect(virtual.balancer.statistics.instances.count { $0.health == .ejected } == 1)
    }

    @Test("an instance that fails active checks gets no requests, unless too many fail them")
    func activeChecks() throws {
        let virtual = VirtualBalancer(.roundRobin, [])
        virtual.balancer.update(instances(4), unhealthy: ["i0", "i1"])
        #expect(try virtual.counts(100) { try virtual.balancer.pick().instance.id } == ["i2": 50, "i3": 50])
        #expect(virtual.health("i0") == .unhealthy)
        virtual.balancer.update(instances(4), unhealthy: ["i0", "i1", "i2"])
        #expect(try virtual.counts(100) { try virtual.balancer.pick().instance.id }.count == 4)
    }

    @Test("an instance that fails active checks counts for the limit of ejections", arguments: [0, 1, 2])
    func activeChecksAndLimit(ill: Int) throws {
        let virtual = VirtualBalancer(.roundRobin, []) { $0.outliers?.panicThreshold = 0 }
        virtual.balancer.update(instances(4), unhealthy: Set((0..<ill).map { Key("i\($0)") }))
        // Two of four may be out of use in all.
        for _ in 0..<60 { try virtual.request(succeeds: { _ in false }) }
        #expect(virtual.balancer.statistics.instances.count { $0.health == .unhealthy } == ill)
        #expect(virtual.balancer.statistics.instances.count { $0.health == .ejected } == 2 - ill)
        #expect(virtual.balancer.statistics.instances.count { $0.health == .failing } == 2)
        // An instance that fails checks later takes the place of an ejected one.
        if ill == 2 { return }
        let ejected = try #require(virtual.balancer.statistics.instances.first { $0.health == .ejected }).id
        let sound = try #require(virtual.balancer.statistics.instances.last { $0.health == .failing }).id
        let now = Set((0..<ill).map { Key("i\($0)") } + [Key(sound)])
        virtual.balancer.update(instances(4), unhealthy: now)
        #expect(virtual.balancer.statistics.instances.count { $0.health == .ejected } == 1 - ill, "\(ejected)")
    }

    @Test("with one instance that fails checks and one ejected, the next one to fail is not ejected")
    func activeChecksAndEjections() throws {
        let virtual = VirtualBalancer(.roundRobin, []) { $0.outliers?.panicThreshold = 0 }
        virtual.balancer.update(instances(4), unhealthy: ["i3"])
        for _ in 0..<20 { try virtual.request(succeeds: { $0.id != "i0" }) }
        #expect(virtual.health("i0") == .ejected)
        for _ in 0..<20 { try virtual.request(succeeds: { $0.id != "i1" }) }
        #expect(virtual.health("i0") == .ejected && virtual.health("i1") == .failing)
        #expect(try virtual.counts(20) { try virtual.balancer.pick().instance.id } == ["i1": 10, "i2": 10])
    }
}
