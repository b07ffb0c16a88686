// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A barrier is broken: it waits for a participant that is gone, so it lets no task pass.
public struct BarrierBroken: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the barrier.
    public let name: String
    /// The participant that is gone, in one line.
    public let description: String

    /// Makes an error with these properties, for tests.
    public init(name: String, description: String) {
        self.name = name
        self.description = description
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
