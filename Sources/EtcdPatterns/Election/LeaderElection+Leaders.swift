// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension LeaderElection {
    /// Reads the leader.
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
    /// It continues across broken connections, compactions, and a store that is restored from a backup. A slow consumer
    /// gets only the newest. An observer need not be a candidate.
    ///
    /// An iteration throws ``EtcdError``, among its codes `permissionDenied` and `clientClosed`, or `CancellationError`.
    public var leaders: LeaderChanges {
        queue.client.values(of: queue.range, isSame: ==) { view in
            let first = view.min { $0.createRevision < $1.createRevision }
            return first.map { Leadership.leader(Candidate($0)) } ?? Leadership.none
        }
    }

    /// A candidate that leads or waits.
    public struct Candidate: Sendable, Hashable, CustomStringConvertible {
        /// The key that represents the candidate.
        public let key: Key
        /// The place in the queue, and the number of the term once it leads: the revision at which the key was created.
        public let fencingToken: Revision
        /// The lease of the key; nil for a foreign key, which stays until it is deleted.
        public let lease: Lease.ID?
        /// The candidate's description of itself.
        public let value: Value

        /// Makes a candidate with these properties, for tests.
        public init(key: Key, fencingToken: Revision, lease: Lease.ID? = nil, value: Value) {
            self.key = key
            self.fencingToken = fencingToken
            self.lease = lease
            self.value = value
        }

        init(_ entry: KeyValue) {
            self.init(key: entry.key, fencingToken: entry.createRevision, lease: entry.lease, value: entry.value)
        }

        /// The value, the key and the token in one line.
        public var description: String {
            "\"\(value)\" with \(key), token \(fencingToken)\(lease == nil ? ", no lease" : "")"
        }
    }

    /// The state of an election: a leader, or none.
    public enum Leadership: Sendable, Hashable, CustomStringConvertible {
        /// No candidate leads.
        case none
        /// This candidate leads, with the value that it has proclaimed last.
        case leader(Candidate)

        /// The candidate that leads; nil if there is none.
        public var candidate: Candidate? {
            if case .leader(let candidate) = self { candidate } else { nil }
        }

        /// The leader in one line.
        public var description: String { candidate?.description ?? "no leader" }
    }
}

/// The leaderships of an election, one after the other; see ``LeaderElection/leaders``.
public typealias LeaderChanges = UpdateSequence<LeaderElection.Leadership, any Error>
