// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

extension BenchmarkResult {
    /// A result whose operations took so many milliseconds each, in an interval of one second for each list.
    static func sample(_ intervals: [[Double]] = [[1, 2, 3, 4], [5, 6, 7, 100]], kind: BenchmarkKind = .write) -> Self {
        var options = BenchmarkOptions(kind)
        options.amount = .operations(intervals.reduce(0) { $0 + $1.count })
        var result = BenchmarkResult(options: options, startTime: Date(timeIntervalSince1970: 1_790_000_000))
        result.servers = [Server(endpoint: "10.0.0.1:2379", version: "3.5.16", databaseSize: 3 << 20)]
        result.processorTime = .milliseconds(2)
        result.peakMemory = 20 << 20
        for (second, times) in intervals.enumerated() {
            var histogram = BenchmarkHistogram()
            for time in times { histogram.record(.milliseconds(time)) }
            result.latency.merge(histogram)
            result.operations += times.count
            result.duration += .seconds(1)
            result.intervals.append(
                Interval(
                    start: .seconds(second),
                    duration: .seconds(1),
                    operations: times.count,
                    errors: 0,
                    p50: histogram.quantile(0.5),
                    p99: histogram.quantile(0.99),
                    maximum: histogram.maximum
                )
            )
        }
        return result
    }
}

extension BenchmarkReport {
    /// The JSON of the report.
    var json: [String: Any] {
        get throws {
            let data = Data(try JSONBody.bytes(of: self))
            return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
        }
    }
}
