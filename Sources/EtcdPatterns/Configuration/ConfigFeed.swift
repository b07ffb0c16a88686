// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A configuration as its readers and the task that keeps it current share it.
final class ConfigFeed: Sendable {
    struct Content {
        /// The last good state.
        var current: ConfigSnapshot
        /// Where it comes from.
        var source: StateSource
        /// How often there was another good state.
        fileprivate(set) var goodStates = 0
        /// What was looked at last, good or not.
        var judged: MirrorView?
        /// The objection to the newest state; nil if it is the current one.
        var rejection: ConfigRejection?
        fileprivate(set) var lastRejection: ConfigRejection?
        fileprivate(set) var rejections = 0
        /// Why the store is not followed at the moment; nil if it is.
        var failure: EtcdError?
        /// Why the file could not be read at the start, or written; nil if it was.
        var fileFailure: ConfigError?
        var mirror: KeyMirror?
        /// The cluster that the state is of, once it was asked for.
        var clusterID: UInt64?
        var isClosed = false
        fileprivate var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        fileprivate var lastListener = 0

        init(_ current: ConfigSnapshot, from source: StateSource) {
            self.current = current
            self.source = source
        }

        /// Notes what has become of a state; it is news if a value is different.
        mutating func note(_ verdict: Result<ConfigSnapshot, ConfigError>, isNews: Bool, of state: MirrorView) {
            judged = state
            switch verdict {
            case .success(let snapshot):
                rejection = nil
                current = snapshot
                if !source.isEtcd { source = .etcd(since: .now) }
                if isNews { goodStates += 1 }
            case .failure(let error):
                rejection = ConfigRejection(revision: state.revision, error: error)
                lastRejection = rejection
                rejections += 1
            }
        }
    }

    private let content: Lock<Content>

    init(_ start: Content) { content = Lock(start) }

    func read<Result>(_ body: (Content) -> Result) -> Result {
        content.withLock { body($0) }
    }

    /// Changes the content, and tells the listeners that there is something to look at, outside of the lock.
    func update(_ body: (inout Content) -> Void) {
        let (listeners, isClosed) = content.withLock { content in
            body(&content)
            return (Array(content.listeners.values), content.isClosed)
        }
        for listener in listeners {
            listener.yield()
            if isClosed { listener.finish() }
        }
    }

    /// One element now, and one after every change, or several of them.
    func ticks() -> AsyncStream<Void> {
        let (stream, listener) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (number, isClosed) = content.withLock { content in
            content.lastListener += 1
            content.listeners[content.lastListener] = listener
            return (content.lastListener, content.isClosed)
        }
        listener.onTermination = { [weak self] _ in self?.content.withLock { $0.listeners[number] = nil } }
        listener.yield()
        if isClosed { listener.finish() }
        return stream
    }

    /// Waits until the state of `revision` was looked at.
    ///
    /// - Returns: Whether it was; not if the wait has ended by cancellation, or the end of the feed.
    func waitUntilJudged(_ revision: Revision) async -> Bool {
        for await _ in ticks() where read({ $0.judged.map { $0.revision >= revision } ?? false }) { return true }
        return false
    }
}

/// The newest of something, and the next whenever there is one; see ``ConfigManager/snapshots``.
public struct ConfigUpdates<Element: Sendable>: AsyncSequence, Sendable {
    /// An iteration throws nothing.
    public typealias Failure = Never

    let feed: ConfigFeed
    /// The newest, and its number.
    let newest: @Sendable (ConfigFeed.Content) -> (Int, Element)?

    /// Starts an iteration.
    public func makeAsyncIterator() -> Iterator {
        Iterator(feed: feed, newest: newest, ticks: feed.ticks().makeAsyncIterator())
    }

    /// An iteration over what is newest.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let feed: ConfigFeed
        fileprivate let newest: @Sendable (ConfigFeed.Content) -> (Int, Element)?
        fileprivate var ticks: AsyncStream<Void>.Iterator
        fileprivate var last: Int?

        /// The newest, once it is another than the one before.
        ///
        /// - Returns: It, or nil when the manager is closed, or the task is cancelled.
        public mutating func next() async -> Element? { await next(isolation: nil) }

        /// The newest, once it is another than the one before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: It, or nil when the manager is closed, or the task is cancelled.
        public mutating func next(isolation actor: isolated (any Actor)?) async -> Element? {
            while await ticks.next(isolation: actor) != nil {
                if let (number, element) = feed.read(newest), number != last {
                    last = number
                    return element
                }
            }
            return nil
        }
    }
}

@available(*, unavailable)
extension ConfigUpdates.Iterator: Sendable {}
