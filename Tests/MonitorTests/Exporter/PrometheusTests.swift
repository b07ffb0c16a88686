// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit
@testable import EtcdTesting

/// A real Prometheus scrapes the exporter of a monitor of a real etcd.
@Suite(
    .cluster,
    .timeLimit(.minutes(2)),
    .enabled(if: PrometheusFiles.program("prometheus") != nil, "there is no prometheus")
)
struct PrometheusTests {
    @Test func `Prometheus scrapes the exporter, and our parser reads the page of Prometheus itself`() async throws {
        try await WatchedCluster.run { watched in
            let api = MonitorAPI([watched.monitor])
            let server = HTTPServer { await api.respond(to: $0) }
            let ports = AsyncStream.makeStream(of: UInt16.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run { ports.continuation.yield($0) } }
                let port = try #require(await ports.stream.first { _ in true })
                let prometheus = try PrometheusServer.prometheus(
                    """
                    global: {scrape_interval: 1s}
                    scrape_configs:
                      - job_name: etcd-monitor
                        static_configs: [{targets: ["127.0.0.1:\(port)"]}]
                    """
                )
                defer { prometheus.stop() }
                let deadline = ContinuousClock.now + .seconds(60)
                var answer = ""
                while !answer.contains(#""value":["#) || !answer.hasSuffix(#","3"]}]}}"#) {
                    try #require(ContinuousClock.now < deadline, "\(answer)\n\(prometheus.log)")
                    try await Task.sleep(for: .milliseconds(200))
                    let query = "/api/v1/query?query=sum(etcd_monitor_cluster_members)"
                    answer = String(decoding: (try? await prometheus.get(query)) ?? Data(), as: UTF8.self)
                }
                let complaints = prometheus.log.split(separator: "\n").filter { line in
                    line.contains("level=warn") || line.contains("level=error") || line.contains("level=WARN")
                }
                #expect(complaints.isEmpty)

                let page = Array(try await prometheus.get("/metrics"))
                #expect(try Exposition(parsing: page)["prometheus_ready"] == 1)
                if Python.withPrometheusClient != nil { try ExpositionAgreementTests.compare(page) }
                group.cancelAll()
            }
        }
    }
}
