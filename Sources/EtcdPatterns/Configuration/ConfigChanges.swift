// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The changes of a configuration; see ``ConfigManager/changes(of:interval:)``.
public struct ConfigChanges: AsyncSequence, Sendable {
    /// How a value has changed.
    public typealias Element = ConfigChange
    /// An iteration throws nothing.
    public typealias Failure = Never

    let snapshots: ConfigUpdates<ConfigSnapshot>
    let start: ConfigSnapshot
    let part: Key?
    let interval: Duration

    /// Starts the iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(self) }

    /// An iteration over the changes.
    public struct Iterator: AsyncIteratorProtocol {
        private var snapshots: ConfigUpdates<ConfigSnapshot>.Iterator
        private var last: ConfigSnapshot
        private let part: Key?
        private let interval: Duration
        private var changes: ArraySlice<ConfigChange> = []
        private var nextLook = ContinuousClock.now

        fileprivate init(_ sequence: ConfigChanges) {
            snapshots = sequence.snapshots.makeAsyncIterator()
            last = sequence.start
            part = sequence.part
            interval = sequence.interval
        }

        /// The next change.
        ///
        /// - Returns: A change; nil when the manager is closed, or the task is cancelled.
        public mutating func next() async -> ConfigChange? { await next(isolation: nil) }

        /// The next change.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A change; nil when the manager is closed, or the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> ConfigChange? {
            while true {
                if let change = changes.popFirst() { return change }
                // A cancelled pause is noticed by the next look.
                if nextLook > .now { try? await Task.sleep(until: nextLook, clock: .continuous) }
                guard let snapshot = await snapshots.next(isolation: actor) else { return nil }
                changes = snapshot.changes(since: last, under: part)[...]
                last = snapshot
                if !changes.isEmpty { nextLook = .after(interval) }
            }
        }
    }
}

@available(*, unavailable)
extension ConfigChanges.Iterator: Sendable {}
