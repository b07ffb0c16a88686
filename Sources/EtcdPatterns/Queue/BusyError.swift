// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A lock, a slot, a leadership or a membership was not free within the timeout.
public struct BusyError: LocalizedError, Sendable, CustomStringConvertible {
    /// The name of the lock, the semaphore, the election or the member.
    public let name: String
    /// How long the caller has waited.
    public let waited: Duration
    /// The last error during the wait, if etcd has not answered since.
    public let cause: (any Error)?
    /// A further fact for the description.
    var detail = ""

    /// Makes an error with these properties, for tests.
    public init(name: String, waited: Duration, cause: (any Error)? = nil) {
        self.name = name
        self.waited = waited
        self.cause = cause
    }

    /// The name, the time and the cause in one line.
    public var description: String {
        "\"\(name)\" was not free within \(waited)\(detail)\(cause.map { " (\($0))" } ?? "")"
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
