// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdMonitorKit
import Foundation

/// The code of Docs/Benchmark.md.
extension Snippets {
    static func benchmark(_ client: EtcdClient, page: URL) async throws {
        var options = BenchmarkOptions(.mixed)
        options.amount = .operations(2000)
        options.callers = 32
        let result = try await Benchmark(client.configuration, options).run { progress in
            print(progress.phase, progress.operations, progress.rate)
        }
        var limits = BenchmarkLimits()
        limits.p99 = .milliseconds(20)
        limits.minimumRate = 5000
        let report = BenchmarkReport(result, checks: limits.check(result))
        print(report.text)
        try Data(report.html.utf8).write(to: page)
    }
}
