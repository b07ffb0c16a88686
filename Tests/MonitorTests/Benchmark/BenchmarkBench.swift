// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A real cluster on which benchmarks run.
struct BenchmarkBench {
    let cluster: EtcdCluster
    let client: EtcdClient
    var configuration: EtcdClient.Configuration

    static func run(
        _ arguments: [String] = [],
        _ body: (BenchmarkBench) async throws -> Void
    ) async throws {
        try await withEtcdCluster(EtcdCluster.Options(extraArguments: arguments)) { cluster in
            let configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            try await withEtcdClient(configuration) { client in
                try await body(BenchmarkBench(cluster: cluster, client: client, configuration: configuration))
            }
        }
    }

    /// Small options: eight callers, and a hundred operations on twenty keys.
    static func options(_ kind: BenchmarkKind) -> BenchmarkOptions {
        var options = BenchmarkOptions(kind)
        options.amount = .operations(100)
        options.callers = 8
        options.keySpace = 20
        options.valueSize = 16
        options.prefix = "bench"
        return options
    }

    @discardableResult
    func run(
        _ options: BenchmarkOptions,
        onProgress: (@Sendable (BenchmarkProgress) -> Void)? = nil
    ) async throws -> BenchmarkResult {
        let benchmark = try Benchmark(configuration, options)
        return try await benchmark.run(progressInterval: .milliseconds(20), onProgress: onProgress)
    }

    /// Runs a benchmark that fails.
    func failure(
        _ options: BenchmarkOptions,
        onProgress: (@Sendable (BenchmarkProgress) -> Void)? = nil
    ) async throws -> BenchmarkError {
        let error = await #expect(throws: BenchmarkError.self) { try await run(options, onProgress: onProgress) }
        return try #require(error)
    }

    /// How many keys and leases the store has.
    func leftovers() async throws -> (keys: Int64, leases: Int) {
        var count = RangeOptions()
        count.countOnly = true
        return (try await client.range(.all, options: count).count, try await client.leases.list().count)
    }
}
