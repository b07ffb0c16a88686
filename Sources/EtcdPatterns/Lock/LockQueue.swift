// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Those who hold a lock and those who wait for it, at one moment.
public struct LockQueue: Sendable, Hashable {
    /// What is locked.
    public let name: Key
    /// All of them, in the order in which they came.
    public let entries: [LockEntry]

    /// Those whose turn it is: one, or several readers.
    public var holders: ArraySlice<LockEntry> {
        let readers = entries.prefix(while: \.isShared)
        return readers.isEmpty ? entries.prefix(1) : readers
    }

    /// Those whose turn will come, in its order.
    public var waiters: ArraySlice<LockEntry> { entries.dropFirst(holders.count) }
}
