// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit
@testable import EtcdPatterns

/// A clock that the test advances.
final class VirtualClock: Sendable {
    private let instant = Lock(ContinuousClock.now)

    var now: ContinuousClock.Instant { instant.withLock { $0 } }

    func advance(by duration: Duration) { instant.withLock { $0 += duration } }
}

/// A balancer in virtual time, with the same random numbers each time.
struct VirtualBalancer {
    let clock = VirtualClock()
    let balancer: LoadBalancer

    init(
        _ policy: BalancingPolicy,
        _ instances: [ServiceInstance],
        seed: UInt64 = 1,
        change: (inout LoadBalancerOptions) -> Void = { _ in }
    ) {
        var options = LoadBalancerOptions()
        change(&options)
        balancer = LoadBalancer("api", policy, options, SplitMix64(seed: seed)) { [clock] in clock.now }
        balancer.update(instances)
    }

    /// Does a request that takes some time, and returns the instance that got it.
    @discardableResult
    func request(
        for key: String? = nil,
        taking time: (ServiceInstance) -> Duration = { _ in .milliseconds(10) },
        succeeds: (ServiceInstance) -> Bool = { _ in true }
    ) throws -> String {
        let picked = try balancer.pick(for: key)
        clock.advance(by: time(picked.instance))
        picked.finish(succeeds(picked.instance) ? .success : .failure)
        return picked.instance.id
    }

    /// How many of some requests each instance gets.
    func counts(_ requests: Int, _ request: () throws -> String) rethrows -> [String: Int] {
        var counts: [String: Int] = [:]
        for _ in 0..<requests { counts[try request(), default: 0] += 1 }
        return counts
    }

    func health(_ id: String) -> LoadBalancerStatistics.Health? {
        balancer.statistics.instances.first { $0.id == id }?.health
    }
}

func instance(_ id: String, weight: Int = 1, zone: String? = nil, status: ServiceInstance.Status = .up)
    -> ServiceInstance
{
    ServiceInstance(
        service: "api",
        id: id,
        address: "10.0.0.1",
        port: 80,
        weight: weight,
        zone: zone,
        status: status
    )
}

/// As many instances, named `i0` and on.
func instances(_ count: Int) -> [ServiceInstance] { (0..<count).map { instance("i\($0)") } }

/// By how much counts differ from what is expected: far above the number of kinds unless the difference is random.
func chiSquare(_ counts: [String: Int], _ expected: [String: Double]) -> Double {
    expected.reduce(0) { sum, pair in
        let difference = Double(counts[pair.key] ?? 0) - pair.value
        return sum + difference * difference / pair.value
    }
}
