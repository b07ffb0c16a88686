// SPDX-License-Identifier: Apache-2.0

/// The holders and the waiters of a lock at one moment.
public struct LockQueue: Sendable, Hashable, CustomStringConvertible {
    /// The name of the lock.
    public let name: String
    /// All of them, in the order in which they came.
    public let entries: [QueueEntry]

    /// Makes a queue with these properties, for tests.
    public init(name: String, entries: [QueueEntry]) {
        self.name = name
        self.entries = entries
    }

    /// Those whose turn it is: one, or several readers.
    public var holders: ArraySlice<QueueEntry> {
        let readers = entries.prefix(while: \.isShared)
        return readers.isEmpty ? entries.prefix(1) : readers
    }

    /// Those whose turn will come, in its order.
    public var waiters: ArraySlice<QueueEntry> { entries.dropFirst(holders.count) }

    /// The name, the holders and the number of waiters in one line.
    public var description: String {
        let owners = holders.map { "\"\($0.owner)\"" }.joined(separator: ", ")
        return "\(name): held by \(owners.isEmpty ? "nobody" : owners), \(waiters.count) waiting"
    }
}
