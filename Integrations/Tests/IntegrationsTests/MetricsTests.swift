// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMetrics
import EtcdPatterns
import EtcdTesting
import MetricsTestKit
import Testing

@Suite("EtcdMetrics", .timeLimit(.minutes(2)))
struct MetricsTests {
    /// The meters of a balancer without instances.
    private static let serviceMeters = ["etcd.balancer.denied_retries", "etcd.balancer.retries"]

    @Test("Configuration.recordMetrics times calls, and counts connections")
    func calls() async throws {
        let metrics = TestMetrics()
        try await withEtcd {
            $0.recordMetrics(factory: metrics)
        } _: { client, _ in
            for _ in 0..<3 { try await client.put("k", "v") }
            await #expect(throws: EtcdError.self) { try await client.put("k", "v", lease: Lease.ID(rawValue: 4711)) }
        }
        let put = "/etcdserverpb.KV/Put"
        let good = try metrics.expectTimer("etcd.client.call.duration", [("method", put), ("code", "ok")])
        #expect(good.values.count == 3)
        #expect(good.values.allSatisfy { $0 > 0 })
        let bad = try metrics.expectTimer("etcd.client.call.duration", [("method", put), ("code", "leaseNotFound")])
        #expect(bad.values.count == 1)
        #expect(metrics.counterTotal(label: "etcd.client.connects") >= 1)
    }

    @Test("Configuration.recordMetrics shows whether this process leads")
    func leadership() async throws {
        let metrics = TestMetrics()
        try await withEtcd {
            $0.recordMetrics(prefix: "app.etcd", factory: metrics)
        } _: { client, _ in
            let election = try LeaderElection("e", candidate: "a", on: .client(client))
            try await election.lead { _ async throws in
                let leader = try metrics.expectMeter("app.etcd.leader", [("election", "e")])
                #expect(leader.lastValue == 1)
            }
            try await eventually { try metrics.expectMeter("app.etcd.leader", [("election", "e")]).lastValue == 0 }
        }
    }

    @Test("LoadBalancer.recordMetrics reports successes, failures and the state of each instance until it is gone")
    func balancer() async throws {
        struct Failure: Error {}
        let metrics = TestMetrics()
        let balancer = LoadBalancer("api")
        let instance = ServiceInstance(service: "api", id: "api-1", address: "h", port: 1)
        balancer.update([instance])
        try await balancer.withInstance { _ in }
        await #expect(throws: Failure.self) { try await balancer.withInstance { _ in throw Failure() } }
        let recording = Task { await balancer.recordMetrics(every: .milliseconds(10), factory: metrics) }
        let dimensions = [("service", "api"), ("instance", "api-1")]
        try await eventually { metrics.meters(label: "etcd.balancer.retries").first?.lastValue == 0 }
        #expect(try metrics.expectMeter("etcd.balancer.successes", dimensions).lastValue == 1)
        #expect(try metrics.expectMeter("etcd.balancer.failures", dimensions).lastValue == 1)
        #expect(try metrics.expectMeter("etcd.balancer.in_flight", dimensions).lastValue == 0)
        #expect(try metrics.expectMeter("etcd.balancer.healthy", dimensions).lastValue == 1)

        let gone = metrics.meters.filter { $0.dimensions.contains { $0 == "instance" && $1 == "api-1" } }
        balancer.update([])
        try await eventually { metrics.meters.map(\.label).sorted() == Self.serviceMeters }
        let last = gone.filter { ["etcd.balancer.healthy", "etcd.balancer.in_flight"].contains($0.label) }
        #expect(last.map(\.lastValue) == [0, 0])
        // It comes back.
        balancer.update([instance])
        try await eventually { metrics.meters(label: "etcd.balancer.healthy").first?.lastValue == 1 }
        recording.cancel()
        await recording.value
    }
}
