// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A lock, a semaphore or an election never becomes free, because of a key among its own.
///
/// Either the key has no lease, so that only a deletion ends it; or it belongs to another name, of which this one is the
/// beginning. Delete the key, or choose another name.
public struct QueueBlocked: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the lock, the semaphore or the election.
    public let name: String
    /// The key that is in the way.
    public let key: Key
    private let reason: String

    private init(_ name: Key, _ key: Key, _ reason: String) {
        self.name = name.description
        self.key = key
        self.reason = reason
    }

    /// Examines a key in the queue of `name`.
    ///
    /// - Returns: Nil if it goes away by itself.
    init?(by entry: KeyValue, in name: Key) {
        let rest = entry.key.bytes.dropFirst(name.bytes.count + 1)
        if rest.contains(UInt8(ascii: "/")) {
            self.init(name, entry.key, "it is the beginning of another name")
        } else if entry.lease == nil {
            self.init(name, entry.key, "the key has no lease")
        } else {
            return nil
        }
    }

    /// The key of a slot of a semaphore, which has no lease.
    init(slot: Key, of name: Key) {
        self.init(name, slot, "the key has no lease")
    }

    /// The name, the key and the reason in one line.
    public var description: String { "\"\(name)\" never becomes free while there is \(key): \(reason)" }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
