// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// Monitors a cluster from inside a service.
///
/// ```swift
/// let monitor = try ClusterMonitor(client)
/// async let polling: Void = monitor.run()
/// for await snapshot in monitor.snapshots {
///     print(snapshot.verdict, snapshot.findings.map(\.summary))
/// }
/// ```
///
/// It probes each member over a connection of its own, with the TLS files and the user of the client. It changes
/// nothing in the store, except for benchmarks that ``MonitorAPI/Options/allowBenchmark`` permits. Each poll produces a
/// ``MonitorSnapshot``.
public final class ClusterMonitor: Sendable {
    /// The settings of the monitor.
    public let options: Options
    private let client: EtcdClient
    private let news = LatestValue<MonitorSnapshot>()
    private let state: Lock<State>
    private let benchmarkRuns: BenchmarkRuns

    private struct State {
        var isRunning = false
        /// The time when the newest poll ended, or the run began.
        var lastSign: ContinuousClock.Instant?
        var history: MetricsHistory

        /// The time since then; nil if the monitor does not run.
        var silence: Duration? { isRunning ? lastSign.map { .now - $0 } : nil }
    }

    /// Makes a monitor.
    ///
    /// It does nothing before ``run()``.
    ///
    /// - Parameters:
    ///   - client: A client of the cluster, for its endpoints, its TLS files and its user.
    ///   - options: The settings.
    /// - Throws: `EtcdError.Code.invalidArgument` for invalid options.
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

    /// Polls until the task is cancelled.
    ///
    /// Then the history sinks have up to five seconds to write the rest.
    ///
    /// - Throws: `EtcdError.Code.invalidArgument` if the monitor is already running.
    public func run() async throws(EtcdError) {
        let isFirst = state.withLock { state in
            defer { state.isRunning = true }
            state.lastSign = .now
            return !state.isRunning
        }
        guard isFirst else { throw EtcdError(.invalidArgument, "the monitor of \(name) is already running") }
        defer { state.withLock { $0.isRunning = false } }
        let prober = ClusterProber(client, options)
        var builder = SnapshotBuilder(options)
        let file = options.historyFile.map { HistoryFile(path: $0) }
        let sinks: [any HistorySink] = (file.map { [$0] } ?? []) + options.historySinks
        let recorder = HistoryRecorder(sinks, capacity: options.historyBuffer)
        if let file, let failure = await restore(from: file) { recorder.noteFirst(failure) }
        // These end with the polls.
        async let _: Void = benchmarkRuns.run()
        async let _: Void = watchSilence()
        async let comparisons: Void = prober.compareHashes()
        var next = ContinuousClock.now
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let observation = await prober.poll()
            // A poll that was cancelled has no result.
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
            // After a poll that took too long, the missed polls are skipped.
            while next <= .now { next += options.interval }
            try? await Task.sleep(until: next, clock: .continuous)
        }
        await comparisons
        await prober.close()
        await recorder.end(within: .seconds(5))
    }

    /// Sends the newest snapshot again, with the finding `monitor-stale`, for as long as no poll ends.
    private func watchSilence() async {
        while !Task.isCancelled {
            await Task.pause(for: options.interval)
            state.withLock { state in
                guard let silence = state.silence, silence > patience, var snapshot = news.newest else { return }
                snapshot.noteStaleness(silence / .seconds(1))
                // With the lock, so that it does not come after the snapshot of a poll that has just ended.
                news.send(snapshot)
            }
        }
    }

    /// Restores the history from the file.
    ///
    /// Returns the reason if that fails, otherwise nil.
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
    /// When polls no longer end, it contains the finding `monitor-stale`.
    public var snapshot: MonitorSnapshot { news.newest ?? SnapshotBuilder.empty(options) }

    /// The newest snapshot, and each new one.
    ///
    /// When polls no longer end, the newest comes again with the finding `monitor-stale`. A slow consumer gets only the
    /// newest.
    public var snapshots: AsyncStream<MonitorSnapshot> { news.listen() }

    /// The figures in the history, such as `cluster/database_bytes` or `member/8e9e05c52164694d/keys`.
    public var historyMetrics: [String] { state.withLock { $0.history.names } }

    /// The values of a figure over time.
    ///
    /// - Parameters:
    ///   - metric: The figure, one of ``historyMetrics``.
    ///   - from: The beginning.
    ///   - to: The end.
    ///   - step: The time between points; it is increased if there would be too many.
    /// - Returns: The points, the oldest first; empty for a figure without a history.
    public func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point] {
        state.withLock { $0.history.points(of: metric, from: from, to: to, step: step) }
    }

    /// The benchmarks that were requested through the API.
    var benchmarks: any BenchmarkSource { benchmarkRuns }

    /// Whether the monitor runs, and its newest poll ended, or the run began, a short while ago.
    var isLive: Bool { state.withLock { $0.silence }.map { $0 <= patience } ?? false }

    private var patience: Duration { (options.interval + options.timeout) * 3 }
}

extension MonitorSnapshot {
    /// Adds the finding that the snapshot is out of date.
    fileprivate mutating func noteStaleness(_ seconds: Double) {
        let finding = Finding(
            Finding.ID(.monitorStale),
            .unknown,
            "No poll of the monitor has finished for \(Int(seconds)) s",
            since: time,
            evidence: ["silence_seconds": seconds]
        )
        findings.removeAll { $0.code == .monitorStale }
        findings.append(finding)
        verdict = max(verdict, .unknown)
    }
}
