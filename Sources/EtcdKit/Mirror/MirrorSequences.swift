// SPDX-License-Identifier: Apache-2.0

/// The snapshots of a mirror, the newest always; see ``KeyMirror/snapshots``.
public struct MirrorSnapshots: AsyncSequence, Sendable {
    /// The entries at one revision.
    public typealias Element = MirrorSnapshot
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let feed: MirrorFeed

    /// Starts an iteration, whose first snapshot is the one that the mirror has, once it has listed its entries.
    public func makeAsyncIterator() -> Iterator { Iterator(feed: feed) }

    /// An iteration over the snapshots.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let feed: MirrorFeed
        /// Which list the last snapshot was of, and of which revision.
        private var last: (list: Int, revision: Revision)?

        fileprivate init(feed: MirrorFeed) { self.feed = feed }

        /// The newest snapshot, once it is another than the one before.
        ///
        /// - Returns: A snapshot, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended.
        public mutating func next() async throws(EtcdError) -> MirrorSnapshot? {
            try await next(isolation: nil)
        }

        /// The newest snapshot, once it is another than the one before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A snapshot, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> MirrorSnapshot? {
            let last = last
            let next = try await feed.wait { content -> (Int, MirrorSnapshot)? in
                guard content.state.isListed else { return nil }
                let isNew = last.map { $0 != (content.state.list, content.snapshot.revision) } ?? true
                return isNew ? (content.state.list, content.snapshot) : nil
            }
            guard let (list, snapshot) = next else { return nil }
            self.last = (list, snapshot.revision)
            return snapshot
        }
    }
}

/// The changes of a mirror; see ``KeyMirror/changes``.
public struct MirrorChanges: AsyncSequence, Sendable {
    /// How the mirror differs from before.
    public typealias Element = MirrorChange
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let feed: MirrorFeed

    /// Starts an iteration, whose first change is the difference from nothing to what the mirror has, once it has listed
    /// its entries.
    public func makeAsyncIterator() -> Iterator { Iterator(feed: feed) }

    /// An iteration over the changes.
    public struct Iterator: AsyncIteratorProtocol {
        private let subscription: Subscription
        private var changes: ArraySlice<MirrorChange> = []

        fileprivate init(feed: MirrorFeed) { subscription = Subscription(feed) }

        /// The next change.
        ///
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended, after all changes that are known.
        public mutating func next() async throws(EtcdError) -> MirrorChange? {
            try await next(isolation: nil)
        }

        /// The next change.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended, after all changes that are known.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> MirrorChange? {
            while true {
                if let change = changes.popFirst() { return change }
                let portion = try await subscription.feed.wait { [id = subscription.id] content in
                    content.takeChanges(for: id)
                }
                changes = (portion?.changes ?? [])[...]
            }
        }
    }

    /// Ends when the last copy of the iterator is gone.
    private final class Subscription: Sendable {
        let feed: MirrorFeed
        let id: Int

        init(_ feed: MirrorFeed) {
            self.feed = feed
            id = feed.subscribe()
        }

        deinit { feed.unsubscribe(id) }
    }
}

@available(*, unavailable)
extension MirrorSnapshots.Iterator: Sendable {}

@available(*, unavailable)
extension MirrorChanges.Iterator: Sendable {}
