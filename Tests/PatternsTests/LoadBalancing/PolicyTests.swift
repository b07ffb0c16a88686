// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LoadBalancer: policies", .unit, .timeLimit(.minutes(2)))
struct PolicyTests {
    private func pick(_ virtual: VirtualBalancer) throws -> String { try virtual.balancer.pick().instance.id }

    // MARK: In turn

    @Test("round robin takes turns, whatever the weights")
    func roundRobin() throws {
        let virtual = VirtualBalancer(.roundRobin, [instance("a", weight: 9), instance("b"), instance("c")])
        let turns = try (0..<12).map { _ in try pick(virtual) }
        #expect(Set(turns.prefix(3)) == ["a", "b", "c"])
        for index in turns.indices.dropFirst(3) { #expect(turns[index] == turns[index - 3]) }
    }

    @Test("round robin begins at a random instance")
    func roundRobinStart() throws {
        let first = try (0..<50).map { try pick(VirtualBalancer(.roundRobin, instances(4), seed: $0)) }
        #expect(Set(first).count == 4)
    }

    @Test("tasks that pick at once get different instances")
    func concurrentTurns() async throws {
        let virtual = VirtualBalancer(.roundRobin, instances(4))
        let balancer = virtual.balancer
        let picked = Lock<[String: Int]>([:])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<250 {
                        try await balancer.withInstance { instance in
                            picked.withLock { $0[instance.id, default: 0] += 1 }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(picked.withLock { $0 } == ["i0": 500, "i1": 500, "i2": 500, "i3": 500])
    }

    @Test("smooth weighted round robin spreads the turns as nginx does, and gives exact shares in each cycle")
    func weightedRoundRobin() throws {
        let virtual = VirtualBalancer(
            .weightedRoundRobin,
            [instance("a", weight: 5), instance("b"), instance("c")]
        )
        for _ in 0..<10 {
            #expect(try (0..<7).map { _ in try pick(virtual) } == ["a", "a", "b", "a", "c", "a", "a"])
        }
        let weights = ["i0": 3, "i1": 17, "i2": 1, "i3": 8]
        let other = VirtualBalancer(.weightedRoundRobin, weights.map { instance($0.key, weight: $0.value) })
        for _ in 0..<10 { #expect(try other.counts(29) { try pick(other) } == weights) }
    }

    @Test("instances with invalid or extreme weights get requests, too", arguments: [Int.min, -1, 0, Int.max])
    func oddWeights(weight: Int) throws {
        for policy in [BalancingPolicy.weightedRoundRobin, .weightedRandom, .leastConnections, .consistentHash()] {
            let virtual = VirtualBalancer(policy, [instance("a", weight: weight), instance("b", weight: weight)])
            let picked = try (0..<20).map { _ in try virtual.balancer.pick() }
            #expect(Set(picked.map(\.instance.id)) == ["a", "b"])
        }
    }

    // MARK: By chance

    @Test("random choice is fair, and follows the weights if the policy has them")
    func chance() throws {
        let virtual = VirtualBalancer(.random, instances(10))
        let even = Dictionary(uniqueKeysWithValues: instances(10).map { ($0.id, 1000.0) })
        // One result in a thousand is above 27.9, and these numbers are always the same.
        #expect(chiSquare(try virtual.counts(10_000) { try pick(virtual) }, even) < 27.9)
        let weights = ["i0": 1, "i1": 2, "i2": 3, "i3": 4]
        let weighted = VirtualBalancer(.weightedRandom, weights.map { instance($0.key, weight: $0.value) })
        let counts = try weighted.counts(10_000) { try pick(weighted) }
        #expect(chiSquare(counts, weights.mapValues { Double($0) * 1000 }) < 16.3)
        #expect(chiSquare(counts, weights.mapValues { _ in 2500 }) > 100, "the control")
    }

    // MARK: By load

    @Test("the instance with the fewest requests in flight for its weight is next")
    func leastConnections() throws {
        let virtual = VirtualBalancer(.leastConnections, [instance("a", weight: 2), instance("b"), instance("c")])
        var held = try (0..<8).map { _ in try virtual.balancer.pick() }
        #expect(held.count { $0.instance.id == "a" } == 4)
        #expect(held.count { $0.instance.id == "b" } == 2)
        let free = try #require(held.firstIndex { $0.instance.id == "c" })
        held[free].finish()
        #expect(try virtual.balancer.pick().instance.id == "c")
        held = []
        #expect(virtual.balancer.statistics.instances.allSatisfy { $0.inFlight == 0 })
        // A client with one request at a time does not only meet the first, or the heaviest.
        let counts = try virtual.counts(2000) { try pick(virtual) }
        #expect(chiSquare(counts, ["a": 1000, "b": 500, "c": 500]) < 13.8)
    }

    @Test("slow instances get few requests, one after the other or many at once", arguments: [4, 40])
    func peakEWMA(count: Int) throws {
        let virtual = VirtualBalancer(.peakEWMA(choices: 4), instances(count))
        let slow = Set((0..<count / 2).map { "i\($0)" })
        let counts = try virtual.counts(4000) {
            try virtual.request(taking: { slow.contains($0.id) ? .milliseconds(200) : .milliseconds(10) })
        }
        let share = slow.reduce(0) { $0 + (counts[$1] ?? 0) }
        // Of four that are drawn from many, all are slow one time in sixteen.
        #expect(share < 4000 / 7)
        #expect(slow.allSatisfy { (counts[$0] ?? 0) > 1 }, "they are tried again")
        let control = VirtualBalancer(.random, instances(count))
        let fair = try control.counts(4000) { try control.request() }
        #expect(slow.reduce(0) { $0 + (fair[$1] ?? 0) } > 4000 / 3)
    }

    @Test("a slow instance is tried with one request, and gets its share if that one was fast")
    func recovery() throws {
        let virtual = VirtualBalancer(.peakEWMA(), instances(4))
        for _ in 0..<100 {
            try virtual.request(taking: { $0.id == "i0" ? .seconds(1) : .milliseconds(10) })
        }
        virtual.clock.advance(by: .seconds(60))
        let held = try (0..<20).map { _ in try virtual.balancer.pick() }
        #expect(held.count { $0.instance.id == "i0" } == 1)
        virtual.clock.advance(by: .milliseconds(10))
        for picked in held { picked.finish() }
        let later = try (0..<20).map { _ in try virtual.balancer.pick() }
        #expect((3...7).contains(later.count { $0.instance.id == "i0" }))
    }

    @Test("a new instance counts as one of median latency, and is not flooded")
    func coldStart() throws {
        let virtual = VirtualBalancer(.peakEWMA(), instances(4))
        for _ in 0..<200 { try virtual.request(taking: { _ in .milliseconds(10) }) }
        virtual.balancer.update(instances(5))
        let held = try (0..<50).map { _ in try virtual.balancer.pick() }
        #expect((8...12).contains(held.count { $0.instance.id == "i4" }))
    }

    @Test("failures do not make an instance look fast")
    func fastFailures() throws {
        let virtual = VirtualBalancer(.peakEWMA(), instances(4)) { $0.outliers = nil }
        for _ in 0..<50 { try virtual.request() }
        let counts = try virtual.counts(400) {
            try virtual.request(
                taking: { $0.id == "i0" ? .microseconds(1) : .milliseconds(10) },
                succeeds: { $0.id != "i0" }
            )
        }
        #expect((counts["i0"] ?? 0) < 200)
    }

    // MARK: Zones

    @Test("the own zone is preferred, and passes its excess load on to the others")
    func zones() throws {
        let near = (0..<4).map { instance("n\($0)", zone: "z1") }
        let far = (0..<4).map { instance("f\($0)", zone: "z2") }
        let virtual = VirtualBalancer(.random, near + far) {
            $0.zone = "z1"
            $0.outliers?.probes = 1_000_000
        }
        func share() throws -> Int {
            try virtual.counts(1000) { try pick(virtual) }.reduce(0) { $0 + ($1.key.hasPrefix("n") ? $1.value : 0) }
        }
        #expect(try share() == 1000)
        for _ in 0..<200 { try virtual.request(succeeds: { $0.id != "n0" && $0.id != "n1" }) }
        #expect(virtual.health("n0") == .ejected && virtual.health("n1") == .ejected)
        #expect((620...780).contains(try share()), "two of four get seven tenths")
        virtual.balancer.update(far)
        #expect(try share() == 0)
        virtual.balancer.update(far + near.map { instance($0.id, zone: "z1", status: .draining) })
        #expect(try share() == 0)
        virtual.balancer.update(near)
        #expect(try share() == 1000)
    }

    @Test("a retry stays in the own zone as long as it has another instance, and then leaves it")
    func zonesOfRetries() async throws {
        struct Broken: Error {}
        let near = (0..<3).map { instance("n\($0)", zone: "z1") }
        let far = (0..<20).map { instance("f\($0)", zone: "z2") }
        for seed in 0..<20 as Range<UInt64> {
            let virtual = VirtualBalancer(.random, far + near, seed: seed) {
                $0.zone = "z1"
                $0.retries = RetryBudget(maximumAttempts: 5)
            }
            var tried: [String] = []
            await #expect(throws: Broken.self) {
                try await virtual.balancer.withInstance(retryIf: { _ in true }) { instance in
                    tried.append(instance.zone ?? "")
                    throw Broken()
                }
            }
            #expect(tried == ["z1", "z1", "z1", "z2", "z2"])
        }
    }
}
