// SPDX-License-Identifier: Apache-2.0

/// Elements that come one after the other, such as the views of something that changes.
///
/// Each iteration begins anew.
public struct UpdateSequence<Element: Sendable, Failure: Error>: AsyncSequence, Sendable {
    /// Waits for the next element; nil ends the iteration.
    package typealias Next = () async throws(Failure) -> Element?

    private let makeNext: @Sendable () -> Next

    /// Makes a sequence of a closure that makes a closure for each iteration, which may have a state of its own.
    package init(_ makeNext: @escaping @Sendable () -> Next) { self.makeNext = makeNext }

    /// Starts an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(findNext: makeNext()) }

    /// An iteration over the elements.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let findNext: Next

        /// Waits for the next element; nil is the end.
        public mutating func next() async throws(Failure) -> Element? { try await findNext() }

        /// Waits for the next element, on the caller's actor; nil is the end.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(Failure) -> Element? {
            try await findNext()
        }
    }
}

@available(*, unavailable)
extension UpdateSequence.Iterator: Sendable {}
