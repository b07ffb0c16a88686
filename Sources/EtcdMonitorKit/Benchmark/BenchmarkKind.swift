// SPDX-License-Identifier: Apache-2.0

/// The operation that a benchmark repeats.
public enum BenchmarkKind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Puts one key.
    case write
    /// Reads one key that exists.
    case read
    /// Reads as many keys as ``BenchmarkOptions/rangeLimit``.
    case range
    /// Reads or puts one key, in the ratio of ``BenchmarkOptions/readRatio``.
    case mixed
    /// Deletes one key that exists.
    case delete
    /// Puts one key in a transaction with a condition that holds.
    case txn
    /// Acquires and releases an uncontended lock.
    case lock
    /// Puts keys that each caller watches; the latency is from the put to the delivery at a watcher.
    case watch
    /// Opens as many watches as there are callers, each of one key, which then changes once.
    case watches
    /// Grants as many leases as there are callers, and keeps them alive.
    case leases

    /// Whether ``BenchmarkOptions/callers`` is the number of watches or leases instead of callers.
    public var holds: Bool { self == .watches || self == .leases }
}
