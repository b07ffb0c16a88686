// SPDX-License-Identifier: Apache-2.0

/// How far a benchmark is.
public struct BenchmarkProgress: Sendable, Hashable {
    /// The work that a benchmark is at.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// It looks at the cluster.
        case checking
        /// It writes the keys that it needs, or opens watches or leases.
        case preparing
        /// It measures.
        case running
        /// It deletes its keys, and revokes its leases.
        case cleaning
    }

    /// The work that the benchmark is at.
    public let phase: Phase
    /// The operations of this phase that have succeeded: for ``BenchmarkKind/watch`` events while it measures, for
    /// ``BenchmarkKind/leases`` renewals; and keys, watches or leases while it prepares.
    public let operations: Int
    /// The operations that have failed.
    public let errors: Int
    /// The time since the phase began.
    public let elapsed: Duration
    /// The operations a second since the progress before.
    public let rate: Double
    /// How much of the phase is done, from 0 to 1; nil if nobody knows.
    public let fraction: Double?
    /// The median of the latencies of the newest second; nil if there are none.
    public let p50: Duration?
    /// The 99th percentile of the latencies of the newest second; nil if there are none.
    public let p99: Duration?

    /// Makes a progress.
    ///
    /// - Parameters:
    ///   - phase: What the benchmark is doing.
    ///   - operations: The operations that have succeeded.
    ///   - errors: The operations that have failed.
    ///   - elapsed: The time since the phase began.
    ///   - rate: The operations a second since the progress before.
    ///   - fraction: How much of the phase is done, from 0 to 1.
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
