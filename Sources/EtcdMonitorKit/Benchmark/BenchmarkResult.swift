// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The figures of a benchmark.
///
/// In JSON it is one object with the keys `op`, `ops`, `sec`, `ops_per_s`, `latency_count`, `mean_ms`, `stddev_ms`,
/// `min_ms`, `p50_ms`, `p90_ms`, `p95_ms`, `p99_ms`, `p999_ms`, `max_ms`, `cpu_s`, `cpu_us_per_op`, `maxrss_mb`,
/// `errors`, `error_ratio`, `complete`, `revisions`, `start`, `client_version`, `servers`, `parameters`, `histogram`
/// and `intervals`; and, where they apply, `allocs`, `allocs_per_op`, `events`, `events_per_s`, `cpu_us_per_event`, `n`
/// (the number of watches or leases), `open_s`, `renewals`, `db_size` and `cleanup_failure`.
public struct BenchmarkResult: Sendable, Hashable {
    /// An interval of the run, for plots over time.
    public struct Interval: Sendable, Hashable {
        /// The start of the interval, relative to the start of the run.
        public var start: Duration
        /// The length of the interval.
        public var duration: Duration
        /// The successful operations of the interval.
        public var operations: Int
        /// The failed operations of the interval.
        public var errors: Int
        /// The median of its latencies; zero without any.
        public var p50: Duration
        /// The 99th percentile of its latencies; zero without any.
        public var p99: Duration
        /// The longest latency; zero without any.
        public var maximum: Duration
    }

    /// A measured member.
    public struct Server: Sendable, Hashable, Codable {
        /// Its endpoint.
        public var endpoint: String
        /// Its version; nil if it did not answer.
        public var version: String?
        /// The size of its database before the run, in bytes.
        public var databaseSize: Int64?

        private enum CodingKeys: String, CodingKey {
            case endpoint
            case version
            case databaseSize = "db_size"
        }
    }

    /// The settings of the run, with the actual ``BenchmarkOptions/prefix``.
    public var options: BenchmarkOptions
    /// The start of the first operation.
    public var startTime: Date
    /// The members at the client's endpoints.
    public var servers: [Server] = []
    /// The version of this package.
    public var clientVersion = MonitorVersion.current
    /// Whether all operations were made, or the whole duration was used.
    ///
    /// If not, either operations no longer succeeded, or the result belongs to a ``BenchmarkError``.
    public var isComplete = true
    /// The successful operations; for ``BenchmarkKind/watch`` puts, for ``BenchmarkKind/leases`` renewals.
    public var operations = 0
    /// The duration of the run.
    public var duration: Duration = .zero
    /// The failed operations, by error code.
    public var errors: [String: Int] = [:]
    /// The latencies of the successful operations; for watches, from each put to each delivery; for leases, of the
    /// grants.
    public var latency = BenchmarkHistogram()
    /// The intervals of the run: a second each, or longer ones if it took longer than ten minutes.
    public var intervals: [Interval] = []
    /// The processor time of this process.
    public var processorTime: Duration = .zero
    /// The allocations of this process; nil if they are not counted.
    public var allocations: Int?
    /// The peak memory of this process, in bytes.
    public var peakMemory: Int64 = 0
    /// The growth of the store's revision, including the writes of others; 0 if no member answered at the end.
    public var revisions: Int64 = 0
    /// The size of the largest database of a member after the run, in bytes; nil if no member answered.
    public var databaseSize: Int64?
    /// The events delivered to all watchers; nil for kinds without watches.
    public var events: Int?
    /// The time to open the watches or the leases; nil for other kinds.
    public var openTime: Duration?
    /// The reason why keys or leases of the benchmark may be left in the cluster; nil if none are.
    public var cleanupFailure: String?

    /// Makes a result without figures.
    ///
    /// - Parameters:
    ///   - options: The settings of the run.
    ///   - startTime: The start of the first operation.
    public init(options: BenchmarkOptions, startTime: Date = Date()) {
        self.options = options
        self.startTime = startTime
    }

    /// The successful operations per second.
    public var operationsPerSecond: Double { duration > .zero ? Double(operations) / (duration / .seconds(1)) : 0 }
    /// The delivered events per second; nil for kinds without watches.
    public var eventsPerSecond: Double? {
        events.map { duration > .zero ? Double($0) / (duration / .seconds(1)) : 0 }
    }
    /// The number of failed operations.
    public var errorCount: Int { errors.values.reduce(0, +) }
    /// The share of failed operations, from 0 to 1.
    public var errorRatio: Double {
        let all = operations + errorCount
        return all == 0 ? 0 : Double(errorCount) / Double(all)
    }
    /// The processor time of this process per successful operation; nil if there are none.
    public var processorTimePerOperation: Duration? { operations > 0 ? processorTime / operations : nil }
    /// The processor time of this process per delivered event; nil if there are none.
    public var processorTimePerEvent: Duration? {
        events.flatMap { $0 > 0 ? processorTime / $0 : nil }
    }
    /// The allocations of this process per successful operation; nil if they are not counted.
    public var allocationsPerOperation: Double? {
        allocations.flatMap { operations > 0 ? Double($0) / Double(operations) : nil }
    }
}
