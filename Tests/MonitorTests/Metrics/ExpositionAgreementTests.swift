// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Compares the parser with the one of Python's `prometheus_client`, on the pages of real servers.
@Suite(
    .cluster,
    .timeLimit(.minutes(3)),
    .enabled(
        if: Python.withPrometheusClient != nil,
        "no python3 on PATH or in MONITOR_PYTHON can import prometheus_client"
    )
)
struct ExpositionAgreementTests {
    @Test(arguments: MetricsPage.binaries)
    func `Python reads the same values from a member's page`(binary: String?) async throws {
        var options = EtcdCluster.Options(memberCount: 3, binary: binary, extraArguments: ["--metrics=extensive"])
        options.startTimeout = .seconds(60)
        try await withEtcdCluster(options) { cluster in
            for member in cluster.members { try compare(try await MetricsPage.fetch(from: member)) }
        }
    }

    @Test func `Python reads the same values from a page with everything that the format allows`() throws {
        try compare(
            Array(
                #"""
                # HELP a Text with \\ and \n in it.
                # TYPE a counter
                a{b="q\"uote",c="back\\slash",d="new\nline"} 1.6777216e+07
                a{b="ü",} NaN
                a { b = "x" } +Inf 123
                # TYPE h histogram
                h_bucket{le="0.001"} 1
                h_bucket{le="+Inf"} 2
                h_sum 5e-324
                h_count 2
                # TYPE s summary
                s{quantile="0"} -Inf
                s_sum -0.0
                s_count 0.1
                loose{x="}"} 123456789.123456789

                """#.utf8
            )
        )
    }

    private func compare(_ page: [UInt8]) throws { try Self.compare(page) }

    /// Expects both parsers to read the same values.
    static func compare(_ page: [UInt8]) throws {
        // Python gives all counters the name that they have in OpenMetrics.
        let ours = try Exposition(parsing: page).families.values.flatMap { family in
            family.samples.map { sample in
                let isRenamed = family.kind == .counter && !sample.name.hasSuffix("_total")
                return Exposition.Sample(isRenamed ? "\(sample.name)_total" : sample.name, sample.labels, sample.value)
            }
        }
        let theirs = try ReferenceParser.samples(of: page)
        #expect(ours.count == theirs.count)
        #expect(theirs.count > 5)
        var missing = Dictionary(ours.map { (Series($0), $0.value) }, uniquingKeysWith: { first, _ in first })
        for sample in theirs {
            let removed = missing.removeValue(forKey: Series(sample))
            let value = try #require(removed, "\(sample) is not among ours")
            #expect(value == sample.value || value.isNaN && sample.value.isNaN, "\(sample)")
        }
        #expect(missing.isEmpty)
    }

    private struct Series: Hashable {
        let name: String
        let labels: [String: String]

        init(_ sample: Exposition.Sample) { (name, labels) = (sample.name, sample.labels) }
    }
}

/// The parser of Python's `prometheus_client`, where that is installed.
enum ReferenceParser {
    /// Writes each sample as a JSON array of the name, the labels and the value, as Python writes it.
    private static let script = """
        import json, sys
        from prometheus_client.parser import text_string_to_metric_families

        for family in text_string_to_metric_families(sys.stdin.read()):
            for sample in family.samples:
                print(json.dumps([sample.name, sample.labels, repr(float(sample.value))]))
        """

    static func samples(of page: [UInt8]) throws -> [Exposition.Sample] {
        let output = try Python.run(try #require(Python.withPrometheusClient), ["-c", script], input: Data(page))
        return try output.split(separator: UInt8(ascii: "\n")).map { line in
            let fields = try #require(JSONSerialization.jsonObject(with: Data(line)) as? [Any])
            let value = try #require((fields.last as? String).flatMap { Double($0) })
            return Exposition.Sample(
                try #require(fields.first as? String),
                try #require(fields[1] as? [String: String]),
                value
            )
        }
    }
}
