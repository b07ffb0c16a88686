// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Measures the speed of a cluster, as this client sees it.
///
/// ```swift
/// var options = BenchmarkOptions(.mixed)
/// options.amount = .operations(100_000)
/// let result = try await Benchmark(client.configuration, options).run()
/// print(result.operationsPerSecond, result.latency.quantile(0.99))
/// ```
///
/// It writes only below a prefix of its own, and deletes the keys afterwards, even when its task is cancelled. It
/// creates load, which slows other clients of the cluster down, and revisions, which a compaction removes.
public struct Benchmark: Sendable {
    /// The settings of the benchmark.
    public let options: BenchmarkOptions
    let configuration: EtcdClient.Configuration
    let allocationCount: (@Sendable () -> Int)?

    /// Makes a benchmark.
    ///
    /// It does nothing before ``run(progressInterval:onProgress:)``.
    ///
    /// - Parameters:
    ///   - configuration: The endpoints of the cluster, and the settings of its clients.
    ///   - options: The settings of the benchmark.
    ///   - allocationCount: Returns the number of allocations of this process; nil if they are not counted.
    /// - Throws: `EtcdError.Code.invalidArgument` for invalid options.
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
    /// It ends early if no operation succeeds for two seconds more than the call timeout
    /// (`EtcdClient.Configuration.callTimeout`); then ``BenchmarkResult/isComplete`` is false. The cleanup takes half a
    /// minute at most, also when the task is cancelled.
    ///
    /// - Parameters:
    ///   - progressInterval: The time between two calls of `onProgress` during a phase, at least 10 ms.
    ///   - onProgress: Receives the state of the run, also when a phase begins; it must not block.
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
