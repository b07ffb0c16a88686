// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LoadBalancer: by keys", .unit, .timeLimit(.minutes(2)))
struct ConsistentHashTests {
    private static let keys = (0..<2000).map { "user-\($0)" }

    /// The owner of each key.
    private func owners(_ virtual: VirtualBalancer) throws -> [String: String] {
        var owners: [String: String] = [:]
        for key in Self.keys { owners[key] = try virtual.balancer.pick(for: key).instance.id }
        return owners
    }

    @Test("a key has the same instance in every process, whatever the order of the instances is")
    func agreement() throws {
        let one = try owners(VirtualBalancer(.consistentHash(), instances(10), seed: 1))
        let other = try owners(VirtualBalancer(.consistentHash(), instances(10).shuffled(), seed: 2))
        #expect(one == other)
        // Computed by another program: other versions of the library must agree, too.
        let virtual = VirtualBalancer(.consistentHash(), instances(10))
        let expected = ["i6", "i9", "i4", "i6", "i7"]
        #expect(try (0..<5).map { try virtual.balancer.pick(for: "k\($0)").instance.id } == expected)
    }

    @Test("keys are spread evenly, or by weight")
    func spread() throws {
        let virtual = VirtualBalancer(.consistentHash(), instances(10))
        let counts = Dictionary(grouping: try owners(virtual).values, by: \.self).mapValues(\.count)
        #expect(chiSquare(counts, Dictionary(uniqueKeysWithValues: instances(10).map { ($0.id, 200.0) })) < 27.9)
        let weighted = VirtualBalancer(.consistentHash(), [instance("a", weight: 3), instance("b", weight: 1)])
        let shares = Dictionary(grouping: try owners(weighted).values, by: \.self).mapValues(\.count)
        #expect(chiSquare(shares, ["a": 1500, "b": 500]) < 10.9)
    }

    @Test("when an instance goes, only its keys move; when one comes, keys move only to it", arguments: [3, 10, 50])
    func moves(count: Int) throws {
        var random = SplitMix64(seed: UInt64(count))
        for _ in 0..<5 {
            let all = (0..<count).map { instance("i\($0)", weight: Int.random(in: 1...3, using: &random)) }
            let virtual = VirtualBalancer(.consistentHash(), all)
            let before = try owners(virtual)
            let victim = all[Int.random(in: 0..<count, using: &random)].id
            virtual.balancer.update(all.filter { $0.id != victim })
            let without = try owners(virtual)
            for key in Self.keys {
                #expect(before[key] == victim ? without[key] != victim : without[key] == before[key])
            }
            virtual.balancer.update(all.shuffled(using: &random))
            #expect(try owners(virtual) == before)
        }
    }

    @Test("an ejection moves the keys of the ejected only, and they come back")
    func ejection() throws {
        let virtual = VirtualBalancer(.consistentHash(), instances(5))
        let before = try owners(virtual)
        let key = try #require(before.first { $0.value == "i2" }?.key)
        for _ in 0..<5 { try virtual.request(for: key, succeeds: { _ in false }) }
        #expect(virtual.health("i2") == .ejected)
        let meanwhile = try owners(virtual)
        for key in Self.keys {
            #expect(before[key] == "i2" ? meanwhile[key] != "i2" : meanwhile[key] == before[key])
        }
        virtual.clock.advance(by: .seconds(40))
        for _ in 0..<3 { #expect(try virtual.request(for: key) == "i2") }
        #expect(try owners(virtual) == before)
    }

    @Test(
        "no instance has more requests in flight than its share and the excess, rounded up",
        arguments: [0.0, 0.25, 1.0]
    )
    func bound(excess: Double) throws {
        var random = SplitMix64(seed: 7)
        let virtual = VirtualBalancer(.consistentHash(excess: excess), instances(5))
        var held: [PickedInstance] = []
        var most = 0
        for step in 0..<3000 {
            // Half of the requests are for one key.
            let key = step.isMultiple(of: 2) ? "popular" : "user-\(step)"
            let picked = try virtual.balancer.pick(for: key)
            held.append(picked)
            let load = held.count { $0.instance.id == picked.instance.id }
            let bound = (Double(held.count) / 5 * (1 + excess)).rounded(.up)
            #expect(Double(load) <= bound)
            most = max(most, load)
            while held.count > 60 || Bool.random(using: &random) && !held.isEmpty {
                held.remove(at: Int.random(in: held.indices, using: &random)).finish()
            }
        }
        #expect(most > 5)
    }

    @Test("without a bound, a popular key overloads its instance; without a key, the choice is random")
    func boundless() throws {
        let virtual = VirtualBalancer(.consistentHash(excess: nil), instances(5))
        let held = try (0..<50).map { _ in try virtual.balancer.pick(for: "popular") }
        #expect(Set(held.map(\.instance.id)).count == 1)
        #expect(try Set((0..<50).map { _ in try virtual.balancer.pick().instance.id }).count == 5)
    }
}
