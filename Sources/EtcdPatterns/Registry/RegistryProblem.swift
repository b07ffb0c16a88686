// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// An entry among the instances of a service that is none.
public struct RegistryProblem: Error, Sendable, Hashable, CustomStringConvertible {
    /// The key of the entry.
    public let key: Key
    /// What stands there.
    public let value: Value
    /// What is wrong with it.
    public let reason: String

    /// The key, the reason and the beginning of the value in one line.
    public var description: String { "\(key): \(reason): \(value.description.prefix(200))" }
}
