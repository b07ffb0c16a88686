// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension LeaderElection {
    /// One who leads or wants to.
    public struct Candidate: Sendable, Hashable {
        /// The key that stands for the candidacy.
        public let key: Key
        /// The place in the queue, and the number of the term once it leads: the revision in which the key came into being.
        public let fencingToken: Revision
        /// The lease that the candidacy lives as long as; nil for a foreign key that will stay until it is deleted.
        public let lease: Lease.ID?
        /// What it says of itself.
        public let value: Value

        init(_ entry: KeyValue) {
            key = entry.key
            fencingToken = entry.createRevision
            lease = entry.lease
            value = entry.value
        }
    }

    private var client: EtcdClient { source.client }
    private var range: KeyRange { .prefix(name + "/") }

    /// Tells who leads.
    ///
    /// - Returns: The leader, with what it has proclaimed last; nil if nobody leads.
    /// - Throws: ``EtcdError``.
    public func leader() async throws(EtcdError) -> Candidate? {
        try await client.queueEntries(in: range, limit: 1).first.map(Candidate.init)
    }

    /// Lists who leads and who waits.
    ///
    /// - Returns: The leader, if there is one, and then the others in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func candidates() async throws(EtcdError) -> [Candidate] {
        try await client.queueEntries(in: range).map(Candidate.init)
    }

    /// Who leads, and then whenever another leads, nobody does, or the leader proclaims something.
    ///
    /// ```swift
    /// for try await leader in election.leaders {
    ///     print(leader.map { "\($0.value) leads" } ?? "nobody leads")
    /// }
    /// ```
    ///
    /// It goes on through broken connections, compactions, and a store that is restored from a backup. A slow consumer gets
    /// the newest only. Whoever observes need not be a candidate.
    public var leaders: LeaderChanges { LeaderChanges(client: client, range: range) }
}

/// The leaders of an election, one after the other; see ``LeaderElection/leaders``.
public struct LeaderChanges: AsyncSequence, Sendable {
    /// The leader; nil if nobody leads.
    public typealias Element = LeaderElection.Candidate?
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let client: EtcdClient
    let range: KeyRange

    /// Starts an iteration, whose first element is the leader as it is.
    public func makeAsyncIterator() -> Iterator { Iterator(changes: self) }

    /// An iteration over the leaders.
    public struct Iterator: AsyncIteratorProtocol {
        private let changes: LeaderChanges
        /// The mirror ends when the last copy of the iterator is gone.
        private var mirror: (owner: KeyMirror, snapshots: MirrorViews.Iterator)?
        private var last: Element?

        fileprivate init(changes: LeaderChanges) { self.changes = changes }

        /// The next leader, or that there is none.
        ///
        /// - Returns: An element, which is nil if nobody leads; never the end.
        /// - Throws: ``EtcdError``, among its codes `cancelled`, `permissionDenied` and `clientClosed`.
        public mutating func next() async throws(EtcdError) -> Element? {
            try await next(isolation: nil)
        }

        /// The next leader, or that there is none.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: An element, which is nil if nobody leads; never the end.
        /// - Throws: ``EtcdError``, among its codes `cancelled`, `permissionDenied` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> Element? {
            if mirror == nil {
                let changes = changes
                let owner = try await changes.client.retryingWhileUnavailable { () throws(EtcdError) in
                    try await changes.client.mirror(of: changes.range)
                }
                mirror = (owner, owner.views.makeAsyncIterator())
            }
            while let snapshot = try await mirror?.snapshots.next(isolation: actor) {
                let first = snapshot.min { $0.createRevision < $1.createRevision }
                let leader = first.map(LeaderElection.Candidate.init)
                if last == .some(leader) { continue }
                last = .some(leader)
                return .some(leader)
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }
}

@available(*, unavailable)
extension LeaderChanges.Iterator: Sendable {}
