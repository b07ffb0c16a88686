// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// The cost of a change of one instance does not depend on the number of instances.
///
/// The costs of many instances are compared with those of few on the same machine, the lowest of several rounds each.
@Suite("ServiceDiscovery: the cost of a change", .measurement, .serialized, .timeLimit(.minutes(5)))
struct DiscoveryCostTests {
    private static let (few, many) = (100, 10_000)
    /// Many instances would cost a hundred times as much if all of them were looked at.
    private static let bound = 20.0

    private func entry(_ number: Int, port: Int = 80) -> RegistryEntry {
        let value = Value(#"{"Op":0,"Addr":"10.0.0.1:\#(port)","Metadata":{"version":"1","region":"eu"}}"#)
        var entry = KeyValue()
        (entry.key, entry.value) = ("services/api/api-\(number)", value)
        return RegistryEntry(entry, of: "api", in: "services/api/")
    }

    private func state(_ count: Int) -> DiscoveryState {
        var state = DiscoveryState(service: "api", folder: "services/api/", protection: MassLossProtection())
        state.apply(puts: (0..<count).map { entry($0) }, deletions: [], at: 1, .now)
        return state
    }

    /// The lowest time of several rounds, each of which does `body` fifty times.
    private func cost(_ body: (_ number: Int) -> Void) -> Duration {
        var number = 0
        return (0..<7).map { _ in
            let start = ContinuousClock.now
            for _ in 0..<50 {
                number += 1
                body(number)
            }
            return ContinuousClock.now - start
        }.min() ?? .zero
    }

    private func ratio(_ cost: (_ instances: Int) -> Duration) -> Double {
        let (small, large) = (cost(Self.few), cost(Self.many))
        print("\(Self.few): \(small), \(Self.many): \(large) for fifty")
        return large / small
    }

    @Test("a change of a discovery and its followers costs the same with 10,000 instances as with 100")
    func discovery() {
        let ratio = ratio { count in
            var state = state(count)
            var seen: ServiceView? = state.view
            var events = 0
            let cost = cost { number in
                state.apply(
                    puts: [entry(number % count, port: number)],
                    deletions: ["services/api/api-\((number * 7) % count)"],
                    at: Revision(rawValue: Int64(number + 1)),
                    .now
                )
                let step = state.step(from: seen)
                events += step.events.count
                seen = step.new
            }
            #expect(events > 300)
            return cost
        }
        #expect(ratio < Self.bound)
    }

    @Test("a change of a balancer with failing requests costs the same with 10,000 instances as with 100")
    func balancer() {
        let ratio = ratio { count in
            var state = state(count)
            let balancer = LoadBalancer("api", policy: .random)
            balancer.update(state.step(from: nil))
            var seen: ServiceView? = state.view
            let cost = cost { number in
                state.apply(puts: [entry(number % count, port: number)], deletions: [], at: 2, .now)
                let step = state.step(from: seen)
                balancer.update(step)
                seen = step.new
                for _ in 0..<5 { (try? balancer.pick())?.finish(.failure) }
            }
            #expect(balancer.statistics.instances.count == count)
            return cost
        }
        #expect(ratio < Self.bound)
    }

    @Test("the counts of a pool match its members after random changes")
    func census() throws {
        for seed in 0..<40 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var outliers = OutlierDetection()
            outliers.consecutiveFailures = 2
            outliers.baseEjection = .seconds(20)
            var pool = InstancePool(.random, outliers: outliers, zone: "z0", random: random, at: .now)
            var now = ContinuousClock.now
            var listed: [String: ServiceInstance] = [:]
            var tickets: [InstancePool.Ticket] = []
            for _ in 0..<400 {
                let id = "i\(Int.random(in: 0..<12, using: &random))"
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<3:
                    let status = ServiceInstance.Status.all.randomElement(using: &random) ?? .up
                    let zone = "z\(Int.random(in: 0..<2, using: &random))"
                    var new: ServiceInstance? = instance(id, zone: zone, status: status)
                    if Bool.random(using: &random) { new?.port = Int.random(in: 80..<82, using: &random) }
                    if Int.random(in: 0..<4, using: &random) == 0 { new = nil }
                    let fails = Int.random(in: 0..<5, using: &random) == 0
                    pool.apply([InstancePool.Change(old: listed[id], new: new, failsChecks: fails)], at: now)
                    listed[id] = new
                case 3: now += .seconds(Int.random(in: 0..<200, using: &random))
                case 4..<7: tickets += pool.pick(keyHash: nil, at: now).map { [$0] } ?? []
                default:
                    guard !tickets.isEmpty else { continue }
                    let ticket = tickets.remove(at: Int.random(in: tickets.indices, using: &random))
                    pool.finish(ticket, Bool.random(using: &random) ? .success : .failure, at: now)
                }
                let up = pool.members.filter(\.isUp)
                let census = pool.census
                #expect(census.up == up.count && census.healthy == up.count(where: \.isHealthy))
                #expect(census.near == up.count { $0.instance.zone == "z0" })
                #expect(census.failingChecks == up.count(where: \.failsChecks))
                #expect(census.unusable == up.count { $0.isOutOfService || $0.failsChecks })
                #expect(pool.outOfService.count == up.count(where: \.isOutOfService))
                let there = pool.members.filter { $0.departure == nil }
                #expect(there.count == listed.count)
                #expect(census.draining == there.count { $0.instance.status == .draining })
                #expect(census.down == there.count { $0.instance.status == .down || $0.failsChecks })
                #expect(pool.isAvailable == (pool.isPanicking ? !up.isEmpty : up.contains(where: \.isCandidate)))
            }
        }
    }
}
