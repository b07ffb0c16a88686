// SPDX-License-Identifier: Apache-2.0

/// The views of a mirror, the newest always; see ``KeyMirror/views``.
public struct MirrorViews: AsyncSequence, Sendable {
    let feed: MirrorFeed

    /// Starts an iteration, whose first view is the current one, once the entries are listed.
    public func makeAsyncIterator() -> Iterator { Iterator(feed: feed) }

    /// An iteration over the views.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let feed: MirrorFeed
        private var last: MirrorVersion?

        fileprivate init(feed: MirrorFeed) { self.feed = feed }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> MirrorView? { try await next(isolation: nil) }

        /// The newest view, as soon as it differs from the previous one.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A view, never nil.
        /// - Throws: ``EtcdError``: `cancelled`, or why the mirror has ended.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> MirrorView? {
            let last = last
            let next = try await feed.wait { content in
                content.state.isListed && content.version != last ? (content.version, content.view) : nil
            }
            self.last = next?.0
            return next?.1
        }
    }
}

/// The changes of a mirror; see ``KeyMirror/changes``.
public struct MirrorChanges: AsyncSequence, Sendable {
    let feed: MirrorFeed

    /// Starts an iteration, whose first change has all entries, once they are listed.
    public func makeAsyncIterator() -> Iterator { Iterator(feed: feed) }

    /// An iteration over the changes.
    public struct Iterator: AsyncIteratorProtocol {
        private let subscription: Subscription
        private var changes: ArraySlice<MirrorChange> = []

        fileprivate init(feed: MirrorFeed) { subscription = Subscription(feed) }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> MirrorChange? { try await next(isolation: nil) }

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
