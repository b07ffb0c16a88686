// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension LeaderElection {
    /// Reads who leads.
    ///
    /// - Returns: The leader, with the value that it has proclaimed last; nil if no candidate leads.
    /// - Throws: ``EtcdError``.
    public func leader() async throws(EtcdError) -> Candidate? {
        try await queue.client.queueEntries(in: queue.range, limit: 1).first.map(Candidate.init)
    }

    /// Lists the candidates.
    ///
    /// - Returns: The leader, if there is one, and then the others in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func candidates() async throws(EtcdError) -> [Candidate] {
        try await queue.client.queueEntries(in: queue.range).map(Candidate.init)
    }

    /// The current leadership, and then each new one: another leader, none, or a new value of the leader.
    ///
    /// ```swift
    /// for try await leadership in election.leaders {
    ///     switch leadership {
    ///     case .leader(let candidate): print("\(candidate.value) leads")
    ///     case .none: print("no candidate leads")
    ///     }
    /// }
    /// ```
    ///
    /// It goes on through broken connections, compactions, and a store that is restored from a backup. A slow consumer gets
    /// the newest only. An observer need not be a candidate.
    public var leaders: LeaderChanges { LeaderChanges(client: queue.client, range: queue.range) }
}

/// The leaderships of an election, one after the other; see ``LeaderElection/leaders``.
public struct LeaderChanges: AsyncSequence, Sendable {
    /// A leader, or none.
    public typealias Element = LeaderElection.Leadership
    /// The errors of an iteration: ``EtcdError`` or `CancellationError`.
    public typealias Failure = any Error

    let client: EtcdClient
    let range: KeyRange

    /// Starts an iteration, whose first element is the current leadership.
    public func makeAsyncIterator() -> Iterator {
        let changes = MirroredValues<Element>(client, range, isSame: ==) { view in
            let first = view.min { $0.createRevision < $1.createRevision }
            return first.map { Element.leader(LeaderElection.Candidate($0)) } ?? Element.none
        }
        return Iterator(changes: changes)
    }

    /// An iteration over the leaderships.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var changes: MirroredValues<Element>

        /// The next leadership, as ``next(isolation:)`` returns it.
        public mutating func next() async throws -> Element? { try await next(isolation: nil) }

        /// The next leadership.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A leadership, never nil.
        /// - Throws: ``EtcdError``, among its codes `permissionDenied` and `clientClosed`; `CancellationError`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Element? {
            try await changes.next(isolation: actor)
        }
    }
}

@available(*, unavailable)
extension LeaderChanges.Iterator: Sendable {}
