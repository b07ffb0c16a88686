// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The snapshots of a discovery, the newest always; see ``ServiceDiscovery/snapshots``.
public struct ServiceSnapshots: AsyncSequence, Sendable {
    /// All that is known at a time.
    public typealias Element = ServiceSnapshot
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let feed: DiscoveryFeed

    /// Starts an iteration, whose first snapshot is the one that there is, or the first one if nothing is known yet.
    public func makeAsyncIterator() -> Iterator { Iterator(feed: feed) }

    /// An iteration over the snapshots.
    public struct Iterator: AsyncIteratorProtocol {
        let feed: DiscoveryFeed
        private var version = 0

        fileprivate init(feed: DiscoveryFeed) { self.feed = feed }

        /// The newest snapshot, once it is another than the one before.
        ///
        /// - Returns: A snapshot, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended.
        public mutating func next() async throws(EtcdError) -> ServiceSnapshot? {
            try await next(isolation: nil)
        }

        /// The newest snapshot, once it is another than the one before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A snapshot, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> ServiceSnapshot? {
            let last = version
            let (version, snapshot) = try await feed.wait { content in
                content.state.version == last ? nil : (content.state.version, content.state.snapshot)
            }
            self.version = version
            return snapshot
        }
    }
}

/// What is different about the instances of a service, time after time; see ``ServiceDiscovery/events``.
public struct ServiceEvents: AsyncSequence, Sendable {
    /// One difference.
    public typealias Element = ServiceEvent
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let feed: DiscoveryFeed

    /// Starts an iteration, whose first events are the instances that there are.
    public func makeAsyncIterator() -> Iterator { Iterator(cursor: DiscoveryCursor(feed)) }

    /// An iteration over the events.
    public struct Iterator: AsyncIteratorProtocol {
        private var cursor: DiscoveryCursor
        private var pending: ArraySlice<ServiceEvent> = []

        fileprivate init(cursor: DiscoveryCursor) { self.cursor = cursor }

        /// The next event.
        ///
        /// - Returns: An event, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended, after all events that are known.
        public mutating func next() async throws(EtcdError) -> ServiceEvent? {
            try await next(isolation: nil)
        }

        /// The next event.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: An event, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the discovery has ended, after all events that are known.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> ServiceEvent? {
            while true {
                if let event = pending.popFirst() { return event }
                pending = try await cursor.next().events[...]
            }
        }
    }
}

@available(*, unavailable)
extension ServiceSnapshots.Iterator: Sendable {}

@available(*, unavailable)
extension ServiceEvents.Iterator: Sendable {}
