// SPDX-License-Identifier: Apache-2.0

/// The changes of the keys in a range, one after the other; see ``EtcdClient/watch(_:from:options:)``.
public struct WatchSequence: AsyncSequence, Sendable {
    /// A change.
    public typealias Element = WatchEvent
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let source: WatchSource

    /// The same changes, all of one revision together, and the news of progress if the options ask for them.
    public var batches: WatchBatches { WatchBatches(source: source) }

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: WatchReader(source)) }

    /// An iteration over the changes, with a watch of its own at the server, which ends when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var reader: WatchReader
        private var events: ArraySlice<WatchEvent> = []

        fileprivate init(reader: WatchReader) { self.reader = reader }

        /// The next change.
        ///
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next() async throws(EtcdError) -> WatchEvent? {
            try await next(isolation: nil)
        }

        /// The next change.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> WatchEvent? {
            while true {
                if let event = events.popFirst() { return event }
                if case .events(let next) = try await reader.next() { events = next[...] }
            }
        }
    }
}

/// The changes of the keys in a range, those of one revision together; see ``WatchSequence/batches``.
public struct WatchBatches: AsyncSequence, Sendable {
    /// The changes of one revision.
    public typealias Element = WatchBatch
    /// What an iteration throws.
    public typealias Failure = EtcdError

    fileprivate let source: WatchSource

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: WatchReader(source)) }

    /// An iteration over the batches, with a watch of its own at the server, which ends when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var reader: WatchReader
        private var events: ArraySlice<WatchEvent> = []

        fileprivate init(reader: WatchReader) { self.reader = reader }

        /// The next batch.
        ///
        /// - Returns: A batch, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next() async throws(EtcdError) -> WatchBatch? {
            try await next(isolation: nil)
        }

        /// The next batch.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A batch, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> WatchBatch? {
            while true {
                if let revision = events.first?.revision {
                    // A revision never stretches over two chunks.
                    let batch = events.prefix { $0.revision == revision }
                    events.removeFirst(batch.count)
                    return WatchBatch(revision: revision, events: Array(batch))
                }
                switch try await reader.next() {
                case .events(let next): events = next[...]
                case .progress(let revision): return WatchBatch(revision: revision, events: [])
                }
            }
        }
    }
}

@available(*, unavailable)
extension WatchSequence.Iterator: Sendable {}

@available(*, unavailable)
extension WatchBatches.Iterator: Sendable {}

/// Where an iteration gets its watch from.
enum WatchSource: Sendable {
    /// Each iteration starts one.
    case cold(EtcdClient, KeyRange, from: Revision?, WatchOptions)
    /// It runs already.
    case running(WatchHandle)
}

/// A watch that ends when nobody holds it any more.
final class WatchHandle: Sendable {
    private let client: EtcdClient
    let watcher: Watcher

    init(_ client: EtcdClient, _ watcher: Watcher) {
        self.client = client
        self.watcher = watcher
    }

    deinit {
        EventLoop.execute { [client, watcher] in client.core.watchHub.stop(watcher) }
    }
}

/// Takes a watch's chunks, one by one.
private struct WatchReader {
    private let source: WatchSource
    private var handle: WatchHandle?
    private var chunks: ArraySlice<Watcher.Chunk> = []

    init(_ source: WatchSource) { self.source = source }

    mutating func next() async throws(EtcdError) -> Watcher.Chunk {
        while true {
            if let chunk = chunks.popFirst() { return chunk }
            chunks = try await running().watcher.next().get()[...]
        }
    }

    private mutating func running() async -> WatchHandle {
        if let handle { return handle }
        let handle: WatchHandle
        switch source {
        case .running(let present):
            handle = present
        case .cold(let client, let range, let revision, let options):
            handle = WatchHandle(client, await client.core.watchHub.start(range, from: revision, options: options))
        }
        self.handle = handle
        return handle
    }
}
