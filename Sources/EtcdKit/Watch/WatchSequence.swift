// SPDX-License-Identifier: Apache-2.0

/// The changes of the keys in a range, one after the other; see ``EtcdClient/watch(_:from:options:)``.
public struct WatchSequence: AsyncSequence, Sendable {
    let description: WatchDescription
    /// The watch, if it runs already; otherwise each iteration starts one.
    var running: WatchSubscription?

    /// The same changes, all of one revision together, and reports of progress if the options ask for them.
    public var batches: WatchBatches { WatchBatches(changes: self) }

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: WatchReader(description, running: running)) }

    /// An iteration over the changes, with a watch of its own at the server, which ends when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var reader: WatchReader

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> WatchEvent? { try await next(isolation: nil) }

        /// The next change.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A change, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> WatchEvent? {
            while true {
                if let event = try reader.popEvent() { return event }
                try await reader.fill()
            }
        }
    }
}

/// The changes of the keys in a range, those of one revision together; see ``WatchSequence/batches``.
public struct WatchBatches: AsyncSequence, Sendable {
    fileprivate let changes: WatchSequence

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: changes.makeAsyncIterator().reader) }

    /// An iteration over the batches, with a watch of its own at the server, which ends when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var reader: WatchReader

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> WatchBatch? { try await next(isolation: nil) }

        /// The next batch.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A batch, never nil.
        /// - Throws: ``EtcdError``, among its codes `compacted`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> WatchBatch? {
            while true {
                if let batch = try reader.popBatch() { return batch }
                try await reader.fill()
            }
        }
    }
}
