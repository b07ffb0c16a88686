// SPDX-License-Identifier: Apache-2.0

public import CoreMetrics
public import EtcdPatterns

extension LoadBalancer {
    /// Records the statistics of the balancer as metrics, repeatedly until the task is cancelled.
    ///
    /// | metric | kind | dimensions |
    /// |---|---|---|
    /// | `etcd.balancer.in_flight` | meter: requests that have not ended | `service`, `instance` |
    /// | `etcd.balancer.successes`, `.failures` | meters: requests that have ended, since the start | `service`, `instance` |
    /// | `etcd.balancer.latency` | meter: seconds that a request takes | `service`, `instance` |
    /// | `etcd.balancer.healthy` | meter: 1 while the instance gets its share, else 0 | `service`, `instance` |
    /// | `etcd.balancer.retries`, `.denied_retries` | meters, since the start | `service` |
    ///
    /// Once an instance is gone, `healthy` and `in_flight` are set to zero, and its meters are destroyed.
    ///
    /// - Parameters:
    ///   - interval: The time between two recordings.
    ///   - prefix: The prefix of the names.
    ///   - factory: Makes the metrics; nil for the one of `MetricsSystem`.
    public func recordMetrics(
        every interval: Duration = .seconds(10),
        prefix: String = "etcd.balancer",
        factory: (any MetricsFactory)? = nil
    ) async {
        let cache = MetricsCache(prefix: prefix, factory: factory)
        var recorded: Set<String> = []
        repeat {
            let statistics = statistics
            record(statistics, in: cache)
            let present = Set(statistics.instances.map(\.id))
            for id in recorded.subtracting(present) { endRecords(of: id, in: cache) }
            recorded = present
        } while (try? await Task.sleep(for: interval)) != nil
    }

    private func record(_ statistics: LoadBalancerStatistics, in cache: MetricsCache) {
        for instance in statistics.instances {
            let dimensions = dimensions(of: instance.id)
            cache.meter("in_flight", dimensions).set(Double(instance.inFlight))
            cache.meter("successes", dimensions).set(Double(instance.successes))
            cache.meter("failures", dimensions).set(Double(instance.failures))
            cache.meter("healthy", dimensions).set(instance.health == .healthy && !instance.isGone ? 1 : 0)
            if let latency = instance.latency { cache.meter("latency", dimensions).set(latency / .seconds(1)) }
        }
        cache.meter("retries", [("service", service)]).set(Double(statistics.retries))
        cache.meter("denied_retries", [("service", service)]).set(Double(statistics.deniedRetries))
    }

    /// Records that an instance is gone, for receivers that keep the last value of a meter.
    private func endRecords(of id: String, in cache: MetricsCache) {
        let dimensions = dimensions(of: id)
        for name in ["in_flight", "healthy"] { cache.meter(name, dimensions).set(0) }
        cache.removeMeters(dimensions)
    }

    private func dimensions(of id: String) -> [(String, String)] { [("service", service), ("instance", id)] }
}
