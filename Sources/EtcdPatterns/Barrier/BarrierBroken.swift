// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Someone whom a barrier waits for is gone, so it will not open: nobody is let through.
public struct BarrierBroken: Error, Sendable, Hashable, CustomStringConvertible {
    /// The name of the barrier.
    public let name: Key
    /// Who is missing.
    public let description: String
}
