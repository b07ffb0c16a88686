// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Why there are no figures, or only those until a benchmark was stopped.
public struct BenchmarkError: Error, Sendable, CustomStringConvertible {
    /// The reason of an error.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// No endpoint has answered.
        case unreachable
        /// There are keys beneath the prefix.
        case prefixNotEmpty
        /// The user may not do this to keys beneath the prefix.
        case permissionDenied
        /// A member has raised the alarm that its database has reached its quota.
        case noSpace
        /// The database of a member is near its quota.
        case nearQuota
        /// The keys that the benchmark needs could not be written, or a watch, a lease or a session not be made.
        case preparationFailed
        /// The task was cancelled.
        case cancelled
    }

    /// The reason.
    public let reason: Reason
    /// The reason in words.
    public let message: String
    /// The error of the client behind it, if there is one.
    public let cause: EtcdError?
    /// The figures until then; nil if no operation was measured.
    public internal(set) var result: BenchmarkResult?
    /// Why keys or leases of the benchmark may be left in the cluster; nil if there are none.
    public internal(set) var cleanupFailure: String?

    /// The reason in words, and whether something is left in the cluster.
    public var description: String { [message, cleanupFailure].compactMap(\.self).joined(separator: "; ") }

    init(_ reason: Reason, _ message: String, cause: EtcdError? = nil) {
        self.reason = reason
        self.message = message
        self.cause = cause
    }
}
