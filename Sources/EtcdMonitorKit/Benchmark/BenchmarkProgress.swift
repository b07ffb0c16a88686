// SPDX-License-Identifier: Apache-2.0

/// The progress of a benchmark.
public struct BenchmarkProgress: Sendable, Hashable {
    /// A phase of a benchmark.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// Checks the cluster.
        case checking
        /// Writes the keys that it needs, or opens watches or leases.
        case preparing
        /// Measures.
        case running
        /// Deletes its keys, and revokes its leases.
        case cleaning
    }

    /// The current phase.
    public let phase: Phase
    /// The successful operations of this phase.
    ///
    /// During the measurement, they are events for ``BenchmarkKind/watch`` and renewals for ``BenchmarkKind/leases``;
    /// during the preparation, they are keys, watches or leases.
    public let operations: Int
    /// The failed operations.
    public let errors: Int
    /// The time since the phase began.
    public let elapsed: Duration
    /// The operations per second since the previous progress.
    public let rate: Double
    /// The completed part of the phase, from 0 to 1; nil if it is unknown.
    public let fraction: Double?
    /// The median of the latencies of the newest second; nil if there are none.
    public let p50: Duration?
    /// The 99th percentile of the latencies of the newest second; nil if there are none.
    public let p99: Duration?

    /// Makes a progress.
    ///
    /// - Parameters:
    ///   - phase: The current phase.
    ///   - operations: The successful operations.
    ///   - errors: The failed operations.
    ///   - elapsed: The time since the phase began.
    ///   - rate: The operations per second since the previous progress.
    ///   - fraction: The completed part of the phase, from 0 to 1.
    ///   - p50: The median of the newest latencies.
    ///   - p99: The 99th percentile of the newest latencies.
    public init(
        phase: Phase,
        operations: Int,
        errors: Int = 0,
        elapsed: Duration,
        rate: Double = 0,
        fraction: Double? = nil,
        p50: Duration? = nil,
        p99: Duration? = nil
    ) {
        self.phase = phase
        self.operations = operations
        self.errors = errors
        self.elapsed = elapsed
        self.rate = rate
        self.fraction = fraction
        self.p50 = p50
        self.p99 = p99
    }
}
