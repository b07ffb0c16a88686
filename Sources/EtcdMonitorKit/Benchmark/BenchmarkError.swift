// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// An error of a benchmark, with the figures until then.
public struct BenchmarkError: Error, Sendable, CustomStringConvertible {
    /// The reason of an error.
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// No endpoint answered.
        case unreachable
        /// The prefix already has keys.
        case prefixNotEmpty
        /// The user lacks a right on the keys below the prefix.
        case permissionDenied
        /// A member has raised the alarm that its database has reached its quota.
        case noSpace
        /// The database of a member is near its quota.
        case nearQuota
        /// The keys that the benchmark needs could not be written, or a watch, a lease or a session could not be
        /// opened.
        case preparationFailed
        /// The task was cancelled.
        case cancelled
    }

    /// The reason.
    public let reason: Reason
    /// A description of the reason.
    public let message: String
    /// The underlying error of the client; nil if there is none.
    public let cause: EtcdError?
    /// The figures until the error; nil if no operation was measured.
    public internal(set) var result: BenchmarkResult?
    /// The reason why keys or leases of the benchmark may be left in the cluster; nil if none are.
    public internal(set) var cleanupFailure: String?

    /// The reason, and whether something is left in the cluster.
    public var description: String { [message, cleanupFailure].compactMap(\.self).joined(separator: "; ") }

    init(_ reason: Reason, _ message: String, cause: EtcdError? = nil) {
        self.reason = reason
        self.message = message
        self.cause = cause
    }
}
