// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

/// Docs/monitoring/metrics-by-version.md, with which the rules and the dashboard are compared, is true of real servers.
@Suite("The table of etcd's metrics", .cluster, .timeLimit(.minutes(2)))
struct PrometheusMetricTests {
    @Test(
        "lists the metrics that members serve, with the same types and first releases",
        arguments: MetricsPage.binaries
    )
    func servers(binary: String?) async throws {
        // Three members, because a lone one has no metrics of peers.
        let options = EtcdCluster.Options(memberCount: 3, binary: binary, extraArguments: ["--metrics=extensive"])
        try await withEtcdCluster(options) { cluster in
            var types: [String: String] = [:]
            var release = ""
            for member in cluster.members {
                let page = String(decoding: try await MetricsPage.fetch(from: member), as: UTF8.self)
                for line in page.split(separator: "\n") where line.hasPrefix("# TYPE ") {
                    let words = line.split(separator: " ")
                    types[String(words[2])] = String(words[3])
                }
                release = try #require(page.firstMatch(of: /server_version="([0-9.]+)"/)).output.1.description
            }
            let table = try PrometheusMetric.table()
            for metric in table.values {
                #if !os(Linux)
                    if metric.note == "on Linux" { continue }
                #endif
                if try metric.exists(in: release) {
                    let type = types[metric.name]
                    if metric.isThereFromTheStart { #expect(type != nil, "\(release) has no \(metric.name)") }
                    if let type { #expect(type == metric.type, "\(release): \(metric.name)") }
                } else {
                    #expect(types[metric.name] == nil, "\(release) has \(metric.name)")
                }
            }
            #expect(table.count > 100)
            // The other way round: all served metrics are in the table, except those that the page leaves out.
            let left = ["etcd_grpc_proxy", "etcd_debugging_store", "etcd_debugging_mvcc"]
            for name in types.keys where name.hasPrefix("etcd_") && table[name] == nil {
                #expect(left.contains { name.hasPrefix($0) }, "\(name) is not in the table")
            }
        }
    }

    @Test("knows whether a release has a metric")
    func releases() throws {
        let metric = PrometheusMetric(name: "m", type: "gauge", cells: ["3.4.18", "3.5.2", "yes", "no"], note: "")
        #expect(try ["3.4.18", "3.4.20", "3.5.2", "3.5.10", "3.6.0"].allSatisfy(metric.exists))
        #expect(try !["3.4.9", "3.4.17", "3.5.1", "3.7.0"].contains(where: metric.exists))
        #expect(metric.since == ["3.4.18", "3.5.2"])
    }
}
