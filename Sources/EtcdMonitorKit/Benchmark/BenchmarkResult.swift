// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The figures of a benchmark.
///
/// In JSON it is one object, with `op`, `ops`, `sec`, `ops_per_s`, `latency_count`, `mean_ms`, `stddev_ms`, `min_ms`,
/// `p50_ms`, `p90_ms`, `p95_ms`, `p99_ms`, `p999_ms`, `max_ms`, `cpu_s`, `cpu_us_per_op`, `maxrss_mb`, `errors`,
/// `error_ratio`, `complete`, `revisions`, `start`, `client_version`, `servers`, `parameters`, `histogram` and `intervals`;
/// where they apply also `allocs`, `allocs_per_op`, `events`, `events_per_s`, `cpu_us_per_event`, `n` (the number of watches
/// or leases), `open_s`, `renewals`, `db_size` and `cleanup_failure`.
public struct BenchmarkResult: Sendable, Hashable {
    /// A stretch of the run, for plots over time.
    public struct Interval: Sendable, Hashable {
        /// When the interval began, since the start of the run.
        public var start: Duration
        /// How long it was.
        public var duration: Duration
        /// The operations in it that have succeeded.
        public var operations: Int
        /// The operations in it that have failed.
        public var errors: Int
        /// The median of its latencies; zero without any.
        public var p50: Duration
        /// The 99th percentile of its latencies; zero without any.
        public var p99: Duration
        /// The longest of its latencies; zero without any.
        public var maximum: Duration
    }

    /// A member that was measured.
    public struct Server: Sendable, Hashable, Codable {
        /// Its endpoint.
        public var endpoint: String
        /// Its version; nil if it has not answered.
        public var version: String?
        /// Its database in bytes before the run.
        public var databaseSize: Int64?

        private enum CodingKeys: String, CodingKey {
            case endpoint
            case version
            case databaseSize = "db_size"
        }
    }

    /// The settings of the run; the ``BenchmarkOptions/prefix`` is the one that was used.
    public var options: BenchmarkOptions
    /// When the first operation began.
    public var startTime: Date
    /// The members at the client's endpoints.
    public var servers: [Server] = []
    /// The version of this package.
    public var clientVersion = MonitorVersion.current
    /// Whether all operations were made, or all the time was used.
    ///
    /// If not, either operations had ceased to succeed, or the result is of a ``BenchmarkError``.
    public var isComplete = true
    /// The operations that have succeeded; for ``BenchmarkKind/watch`` puts, for ``BenchmarkKind/leases`` renewals.
    public var operations = 0
    /// The time of the run.
    public var duration: Duration = .zero
    /// The operations that have failed, by the code of the error.
    public var errors: [String: Int] = [:]
    /// The latencies of the operations that have succeeded; for watches, from each put to each delivery, and for leases,
    /// of their grants.
    public var latency = BenchmarkHistogram()
    /// The run in stretches of a second, or longer ones if it took longer than ten minutes.
    public var intervals: [Interval] = []
    /// The processor time that this process has used.
    public var processorTime: Duration = .zero
    /// The allocations that this process has made; nil if nobody counts them.
    public var allocations: Int?
    /// The most memory that this process has ever had, in bytes.
    public var peakMemory: Int64 = 0
    /// How much the store's revision grew, by this benchmark and everyone else; 0 if nobody has answered at the end.
    public var revisions: Int64 = 0
    /// The largest database of a member after the run, in bytes; nil if nobody has answered.
    public var databaseSize: Int64?
    /// The events that were delivered, all watchers together; nil for other kinds than watches.
    public var events: Int?
    /// How long it took to open the watches or the leases; nil for other kinds.
    public var openTime: Duration?
    /// Why keys or leases of the benchmark may be left in the cluster; nil if there are none.
    public var cleanupFailure: String?

    /// Makes a result without figures.
    ///
    /// - Parameters:
    ///   - options: What was measured.
    ///   - startTime: When the first operation began.
    public init(options: BenchmarkOptions, startTime: Date = Date()) {
        self.options = options
        self.startTime = startTime
    }

    /// The operations a second that have succeeded.
    public var operationsPerSecond: Double { duration > .zero ? Double(operations) / (duration / .seconds(1)) : 0 }
    /// The events a second that were delivered; nil for other kinds than watches.
    public var eventsPerSecond: Double? {
        events.map { duration > .zero ? Double($0) / (duration / .seconds(1)) : 0 }
    }
    /// The operations that have failed.
    public var errorCount: Int { errors.values.reduce(0, +) }
    /// The share of operations that have failed, from 0 to 1.
    public var errorRatio: Double {
        let all = operations + errorCount
        return all == 0 ? 0 : Double(errorCount) / Double(all)
    }
    /// The processor time of this process per operation that has succeeded; nil if there are none.
    public var processorTimePerOperation: Duration? { operations > 0 ? processorTime / operations : nil }
    /// The processor time of this process per event that was delivered; nil if there are none.
    public var processorTimePerEvent: Duration? {
        events.flatMap { $0 > 0 ? processorTime / $0 : nil }
    }
    /// The allocations of this process per operation that has succeeded; nil if nobody counts them.
    public var allocationsPerOperation: Double? {
        allocations.flatMap { operations > 0 ? Double($0) / Double(operations) : nil }
    }
}
