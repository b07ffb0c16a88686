// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// Watches over a cluster from inside a service.
///
/// ```swift
/// let monitor = try ClusterMonitor(client)
/// async let polling: Void = monitor.run()
/// for await snapshot in monitor.snapshots {
///     print(snapshot.verdict, snapshot.findings.map(\.summary))
/// }
/// ```
///
/// It asks each member over a connection of its own, with the TLS files and the user of the client, and changes nothing in
/// the store, except for benchmarks that ``MonitorAPI/Options/allowBenchmark`` allows. Each poll makes a
/// ``MonitorSnapshot``.
public final class ClusterMonitor: Sendable {
    /// How the monitor looks at its cluster.
    public let options: Options
    private let client: EtcdClient
    private let news = News<MonitorSnapshot>()
    private let state: Lock<State>
    private let benchmarkRuns: BenchmarkRuns

    private struct State {
        var isRunning = false
        /// When the newest poll ended, or the run began.
        var lastSign: ContinuousClock.Instant?
        var history: MetricsHistory
    }

    /// Makes a monitor, which looks at nothing before ``run()``.
    ///
    /// - Parameters:
    ///   - client: A client of the cluster, for its endpoints, its TLS files and its user.
    ///   - options: How to look at the cluster.
    /// - Throws: `EtcdError.Code.invalidArgument` for options that cannot work.
    public init(_ client: EtcdClient, _ options: Options = Options()) throws(EtcdError) {
        self.options = try options.checked()
        self.client = client
        state = Lock(State(history: MetricsHistory(options.history)))
        benchmarkRuns = BenchmarkRuns { options, report throws(BenchmarkError) in
            let benchmark: Benchmark
            do throws(EtcdError) {
                benchmark = try Benchmark(client.configuration, options)
            } catch {
                throw BenchmarkError(.preparationFailed, error.message, cause: error)
            }
            return try await benchmark.run(onProgress: report)
        }
    }

    /// The name of the cluster.
    public var name: String { options.name }

    /// Polls until the task is cancelled, and then gives the history's sinks up to five seconds to write what is left.
    ///
    /// - Throws: `EtcdError.Code.invalidArgument` if the monitor runs already.
    public func run() async throws(EtcdError) {
        let isFirst = state.withLock { state in
            defer { state.isRunning = true }
            state.lastSign = .now
            return !state.isRunning
        }
        guard isFirst else { throw EtcdError(.invalidArgument, "the monitor of \(name) runs already") }
        defer { state.withLock { $0.isRunning = false } }
        let prober = ClusterProber(client, options)
        var builder = SnapshotBuilder(options)
        let file = options.historyFile.map { HistoryFile(path: $0) }
        let sinks: [any HistorySink] = (file.map { [$0] } ?? []) + options.historySinks
        let recorder = HistoryRecorder(sinks, capacity: options.historyBuffer)
        if let file, let failure = await restore(from: file) { recorder.noteFirst(failure) }
        // It ends with the polls.
        async let _: Void = benchmarkRuns.run()
        var next = ContinuousClock.now
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let observation = await prober.poll()
            // A poll that was cut short says nothing.
            if Task.isCancelled { break }
            let snapshot = builder.snapshot(
                of: observation,
                tookSeconds: (.now - start) / .seconds(1),
                recorder.failures
            )
            let values = snapshot.history
            state.withLock { state in
                state.lastSign = .now
                state.history.add(values, at: snapshot.time)
            }
            news.send(snapshot)
            recorder.add(snapshot)
            // A poll that took too long leaves out those that should have begun meanwhile.
            while next <= .now { next += options.interval }
            try? await Task.sleep(until: next, clock: .continuous)
        }
        await prober.close()
        await recorder.end(within: .seconds(5))
    }

    /// Reads what the file has; returns why that is impossible, or nil.
    private func restore(from file: HistoryFile) async -> String? {
        let empty = state.withLock { $0.history }
        let restored = await offload {
            Result { () throws(HistorySinkError) in
                var history = empty
                _ = try file.restore(into: &history, now: Date())
                return history
            }
        }
        switch restored {
        case .success(let history): state.withLock { $0.history = history }
        case .failure(let error): return error.message
        case nil: break
        }
        return nil
    }

    // MARK: Snapshots and history

    /// The snapshot of the newest poll; empty before the first.
    ///
    /// When polls do not end any more, it has the finding `monitor-stale`.
    public var snapshot: MonitorSnapshot {
        var snapshot = news.newest ?? SnapshotBuilder.empty(options)
        if let silence, silence > patience, snapshot.poll > 0 { snapshot.noteStaleness(silence / .seconds(1)) }
        return snapshot
    }

    /// The newest snapshot, and each that follows; a consumer that is slow gets the newest only.
    public var snapshots: AsyncStream<MonitorSnapshot> { news.listen() }

    /// The figures that there is a history of, such as `cluster/database_bytes` or `member/8e9e05c52164694d/keys`.
    public var historyMetrics: [String] { state.withLock { $0.history.names } }

    /// The values of a figure over time.
    ///
    /// - Parameters:
    ///   - metric: The figure, one of ``historyMetrics``.
    ///   - from: The beginning.
    ///   - to: The end.
    ///   - step: The distance between points; longer where there would be too many.
    /// - Returns: The points, the oldest first; none for a figure that there is no history of.
    public func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point] {
        state.withLock { $0.history.points(of: metric, from: from, to: to, step: step) }
    }

    /// The benchmarks that were asked for through the API.
    var benchmarks: any BenchmarkSource { benchmarkRuns }

    /// The monitor runs, and its newest poll ended, or the run began, a short while ago.
    var isLive: Bool { silence.map { $0 <= patience } ?? false }

    private var silence: Duration? {
        state.withLock { $0.isRunning ? $0.lastSign : nil }.map { .now - $0 }
    }

    private var patience: Duration { (options.interval + options.timeout) * 3 }
}

extension MonitorSnapshot {
    /// Adds that the snapshot is out of date.
    fileprivate mutating func noteStaleness(_ seconds: Double) {
        let finding = Finding(
            Finding.ID(.monitorStale),
            .unknown,
            "The monitor has seen nothing for \(Int(seconds)) s",
            since: time,
            evidence: ["silence_seconds": seconds]
        )
        findings.append(finding)
        verdict = max(verdict, .unknown)
    }
}
