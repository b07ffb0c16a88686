// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The operation that a benchmark repeats, how often, and with which data.
public struct BenchmarkOptions: Sendable, Hashable {
    /// When a benchmark ends.
    public enum Amount: Sendable, Hashable {
        /// After so many operations.
        case operations(Int)
        /// After so much time.
        case duration(Duration)
    }

    /// The order in which keys are used.
    public enum KeyOrder: String, Sendable, Hashable, Codable, CaseIterable {
        /// One after the other, from the first again after the last.
        case sequential
        /// At random, as ``BenchmarkOptions/seed`` has it.
        case random
    }

    /// The operation.
    public var kind: BenchmarkKind
    /// When the benchmark ends.
    ///
    /// For ``BenchmarkKind/watch`` operations are puts. For ``BenchmarkKind/watches`` and ``BenchmarkKind/leases`` a
    /// duration is how long they are held, by default zero and ten seconds, and a number of operations has no meaning.
    public var amount = Amount.operations(10_000)
    /// How many connections there are, each of a client of its own.
    public var connections = 1
    /// How many callers make operations at the same time, spread over the connections.
    ///
    /// For ``BenchmarkKind/watch``, ``BenchmarkKind/watches`` and ``BenchmarkKind/leases`` it is the number of watches
    /// or leases.
    public var callers = 64
    /// How many operations a second all callers begin together; nil for as many as they can.
    ///
    /// Each operation then has an intended start, and its latency counts from there, also if it begins later.
    public var rate: Double?
    /// The bytes of a key after the prefix.
    public var keySize = 8
    /// The bytes of a value; at least 8 for ``BenchmarkKind/watch``.
    public var valueSize = 256
    /// How many keys there are.
    ///
    /// A benchmark of deletions by a number of operations has as many keys as operations instead.
    public var keySpace = 1000
    /// The order in which keys are used.
    public var keyOrder = KeyOrder.sequential
    /// Lets the member that is asked answer reads from its own copy, which may be out of date.
    public var serializable = false
    /// The share of reads among mixed operations, from 0 to 1.
    public var readRatio = 0.7
    /// How many entries a range has.
    public var rangeLimit = 100
    /// Where random numbers begin.
    public var seed: UInt64 = 1
    /// Whether callers run on the thread of the connections; see `EtcdClient.executor`.
    public var onLoop = false
    /// The prefix of all keys that the benchmark writes, beneath which there must be none.
    ///
    /// A slash is appended to one that has none at its end. Nil is for a new one for each run, beneath
    /// `etcd-kit-benchmark/`.
    public var prefix: Key?
    /// The quota of the members' databases in bytes, for members that do not report it (before 3.6); 0 if unknown.
    ///
    /// The benchmark stops when a database reaches four fifths of its quota.
    public var quota: Int64 = 2 << 30

    /// Makes options with everything but the kind at its default.
    ///
    /// - Parameter kind: The operation.
    public init(_ kind: BenchmarkKind = .mixed) { self.kind = kind }
}
