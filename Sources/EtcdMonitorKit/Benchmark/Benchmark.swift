// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Measures how fast a cluster is, as this client sees it.
///
/// ```swift
/// var options = BenchmarkOptions(.mixed)
/// options.amount = .operations(100_000)
/// let result = try await Benchmark(client.configuration, options).run()
/// print(result.operationsPerSecond, result.latency.quantile(0.99))
/// ```
///
/// It writes only beneath a prefix of its own, and deletes that afterwards, also when its task is cancelled. It makes
/// load: a cluster that serves others serves them slower meanwhile, and it makes revisions, which a compaction drops.
public struct Benchmark: Sendable {
    /// The kind of operation that is measured.
    public let options: BenchmarkOptions
    let configuration: EtcdClient.Configuration
    let allocationCount: (@Sendable () -> Int)?

    /// Makes a benchmark, which does nothing before ``run(progressInterval:onProgress:)``.
    ///
    /// - Parameters:
    ///   - configuration: Where the cluster is, and how to reach it.
    ///   - options: What to measure.
    ///   - allocationCount: How many allocations this process has made; nil if nobody counts them.
    /// - Throws: `EtcdError.Code.invalidArgument` for options that cannot work.
    public init(
        _ configuration: EtcdClient.Configuration,
        _ options: BenchmarkOptions = BenchmarkOptions(),
        allocationCount: (@Sendable () -> Int)? = nil
    ) throws(EtcdError) {
        self.options = try options.checked()
        self.configuration = configuration
        self.allocationCount = allocationCount
    }

    /// Runs the benchmark once.
    ///
    /// It ends before its time if no operation succeeds for two seconds longer than a call may take
    /// (`EtcdClient.Configuration.callTimeout`); ``BenchmarkResult/isComplete`` tells. Cleaning up takes half a minute at
    /// most, also when the task is cancelled.
    ///
    /// - Parameters:
    ///   - progressInterval: How often `onProgress` is called while a phase lasts, at least 10 ms.
    ///   - onProgress: Gets the state of the run, also when a phase begins; it must not block.
    /// - Returns: The figures.
    /// - Throws: ``BenchmarkError``.
    public func run(
        progressInterval: Duration = .seconds(1),
        onProgress: (@Sendable (BenchmarkProgress) -> Void)? = nil
    ) async throws(BenchmarkError) -> BenchmarkResult {
        let progress = ProgressReporter(interval: progressInterval, onProgress: onProgress)
        let run: BenchmarkRun
        do throws(EtcdError) {
            run = try BenchmarkRun(self, progress)
        } catch {
            throw BenchmarkError(.preparationFailed, "cannot make a client: \(error.message)", cause: error)
        }
        return try await run.perform()
    }
}
