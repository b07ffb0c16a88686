// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// An entry among the instances of a service that is not an instance.
public struct RegistryProblem: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The key of the entry.
    public let key: Key
    /// The value of the entry.
    public let value: Value
    /// The mistake in it.
    public let reason: String

    /// Makes a problem, for tests; the parameters are its properties.
    public init(key: Key, value: Value, reason: String) {
        self.key = key
        self.value = value
        self.reason = reason
    }

    /// The key, the reason and the beginning of the value in one line.
    public var description: String { "\(key): \(reason): \(value.description.prefix(200))" }

    /// The description.
    public var errorDescription: String? { description }
}
