// SPDX-License-Identifier: Apache-2.0

/// How ``EtcdClient/atomically(_:_:)`` runs its transaction.
public struct AtomicOptions: Sendable, Hashable {
    /// The changes that the transaction is protected from.
    public var isolation: Isolation
    /// Keys that are read before each attempt, all in one request.
    ///
    /// For keys that the transaction is sure to read; they save a request for each of them.
    public var prefetchedKeys: [Key] = []
    /// How often the transaction is run at most, the first time included.
    public var maximumAttempts = 32
    /// How long to wait before an attempt is repeated; the first repetition is at once.
    public var backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(500), multiplier: 2, jitter: 0.9)
    /// How many conditions, and how many operations, the server allows in one request (`--max-txn-ops`).
    public var maximumOperations = 128
    /// How large a request the server allows, in bytes (`--max-request-bytes`).
    public var maximumRequestSize = 1_572_864

    /// Makes options with everything but the isolation at its default.
    ///
    /// - Parameter isolation: The changes that the transaction is protected from.
    public init(isolation: Isolation = .serializableSnapshot) { self.isolation = isolation }

    /// The levels of isolation, the strongest first; as in etcd's client for Go.
    public enum Isolation: Sendable, Hashable, CaseIterable {
        /// All reads are of one revision.
        ///
        /// Keys that were read or are written have not changed between that revision and the commit.
        case serializableSnapshot
        /// All reads are of one revision, and what was read has not changed before the commit.
        ///
        /// A key that is only written may have been changed by others meanwhile.
        case serializable
        /// No entry that was read has changed before the commit, but reads may be of different revisions, and keys may
        /// come to a range that was read.
        ///
        /// Reads are answered by the member that is asked, from its own copy.
        case repeatableReads
        /// Nothing is checked: what was read was committed once, and may be overtaken.
        ///
        /// Reads are answered by the member that is asked, from its own copy.
        case readCommitted

        /// All reads are of one revision.
        var readsOneRevision: Bool { self == .serializableSnapshot || self == .serializable }
    }

    /// Refuses what cannot work.
    func check() throws(EtcdError) {
        for (name, limit) in [("maximumAttempts", maximumAttempts), ("maximumOperations", maximumOperations)]
        where limit < 1 {
            throw EtcdError(.invalidArgument, "AtomicOptions.\(name) is \(limit), and must be positive")
        }
    }
}
