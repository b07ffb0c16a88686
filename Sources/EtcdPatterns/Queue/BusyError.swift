// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
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

/// The progress of an acquisition: after the timeout, it distinguishes "another holds it" from "etcd does not answer".
final class Attempt: Sendable {
    private struct State {
        var hasBeenAnswered = false
        /// The last error since the last answer.
        var hindrance: (any Error)?
    }

    private let state = Lock(State())

    /// The queue was reached.
    func answered() {
        state.withLock { $0 = State(hasBeenAnswered: true) }
    }

    /// An error occurred, after which the acquisition goes on.
    func hindered(by error: any Error) {
        state.withLock { $0.hindrance = error }
    }

    /// The error when the time is over: ``BusyError`` if etcd has answered.
    func timeIsOver(_ name: String, _ waited: Duration) -> any Error {
        let state = state.withLock { $0 }
        if state.hasBeenAnswered { return BusyError(name: name, waited: waited, cause: state.hindrance) }
        let busy = BusyError(name: name, waited: waited)
        return EtcdError(.unavailable, "\(busy): etcd has not answered", cause: state.hindrance)
    }
}

/// A lock, a semaphore or an election never becomes free, because of a key among its own.
///
/// Either the key has no lease, so that only a deletion ends it; or it belongs to another name that begins with this
/// one. Delete the key, or choose another name.
public struct QueueBlocked: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the lock, the semaphore or the election.
    public let name: String
    /// The key that blocks the queue.
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
