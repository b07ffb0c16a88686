// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The settings of a benchmark: the operation, the amount, and the data.
public struct BenchmarkOptions: Sendable, Hashable {
    /// The end of a benchmark.
    public enum Amount: Sendable, Hashable {
        /// After a number of operations.
        case operations(Int)
        /// After a duration.
        case duration(Duration)
    }

    /// The order in which keys are used.
    public enum KeyOrder: String, Sendable, Hashable, Codable, CaseIterable {
        /// One after the other, starting again after the last.
        case sequential
        /// At random, from ``BenchmarkOptions/seed``.
        case random
    }

    /// The operation.
    public var kind: BenchmarkKind
    /// The end of the benchmark.
    ///
    /// For ``BenchmarkKind/watch``, operations are puts. For ``BenchmarkKind/watches`` and ``BenchmarkKind/leases``, a
    /// duration is the time for which they stay open, by default zero and ten seconds; a number of operations has no
    /// effect.
    public var amount = Amount.operations(10_000)
    /// The number of connections; each belongs to a client of its own.
    public var connections = 1
    /// The number of concurrent callers, spread over the connections.
    ///
    /// For ``BenchmarkKind/watch``, ``BenchmarkKind/watches`` and ``BenchmarkKind/leases``, it is the number of watches
    /// or leases.
    public var callers = 64
    /// The operations per second that all callers start together; nil for no limit.
    ///
    /// Each operation then has an intended start, and its latency counts from there, even if it starts later.
    public var rate: Double?
    /// The size of a key after the prefix, in bytes.
    public var keySize = 8
    /// The size of a value, in bytes; at least 8 for ``BenchmarkKind/watch``.
    public var valueSize = 256
    /// The number of keys.
    ///
    /// A benchmark of a number of deletions has one key per operation instead.
    public var keySpace = 1000
    /// The order in which keys are used.
    public var keyOrder = KeyOrder.sequential
    /// Whether reads are serializable: a member answers from its own copy, which may be stale.
    public var serializable = false
    /// The share of reads among mixed operations, from 0 to 1.
    public var readRatio = 0.7
    /// The number of entries of a range.
    public var rangeLimit = 100
    /// The seed of the random numbers.
    public var seed: UInt64 = 1
    /// Whether callers run on the thread of the connections; see `EtcdClient.executor`.
    public var onLoop = false
    /// The prefix of all keys that the benchmark writes.
    ///
    /// It must have no keys.
    ///
    /// A slash is appended if the prefix does not end with one. Nil stands for a new prefix for each run, below
    /// `etcd-kit-benchmark/`.
    public var prefix: Key?
    /// The quota of the members' databases in bytes, for members that do not report it (before 3.6); 0 if unknown.
    ///
    /// The benchmark stops when a database reaches 80 % of its quota.
    public var quota: Int64 = 2 << 30

    /// Makes options with the defaults.
    ///
    /// - Parameter kind: The operation.
    public init(_ kind: BenchmarkKind = .mixed) { self.kind = kind }
}
