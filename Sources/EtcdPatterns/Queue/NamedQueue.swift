// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// A named queue, with the source of the sessions for joining it: the core of all patterns that have a queue.
struct NamedQueue: Sendable {
    let name: String
    let key: Key
    let source: SessionSource
    /// Copies share it.
    private let staleKeys = StaleKeys()

    /// The name and the number of this process.
    static let process: Value = {
        let process = ProcessInfo.processInfo
        return Value("\(process.processName) \(process.processIdentifier)")
    }()

    /// The queue of a pattern, which is called `what` in errors, such as `lock`; it has a `folder` in the name if the pattern
    /// has other keys, too.
    ///
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    init(_ name: String, _ folder: Key? = nil, of what: String, on source: SessionSource) throws(EtcdError) {
        let base = Key(name)
        try base.checkName(of: what)
        try source.check()
        self.name = name
        key = folder.map { base + $0 } ?? base
        self.source = source
    }

    var client: EtcdClient { source.client }
    var range: KeyRange { .prefix(key + "/") }

    // MARK: Acquiring

    /// Waits for the turn of a key of this role, with the owner's description of itself.
    func acquire(_ role: FairQueue.Role, _ owner: Value, timeout: Duration?) async throws -> Hold {
        try await waiting(timeout) { queue, isOwn in
            try await queue.enter(role, owner).flatMap { Hold($0, in: queue, ownsSession: isOwn) }
        }
    }

    /// Acquires the queue if a key of this role has its turn at once.
    func acquireIfAvailable(_ role: FairQueue.Role, _ owner: Value) async throws -> Hold? {
        try await withQueue(waits: false) { queue, isOwn in
            try await queue.enter(role, owner, waits: false).flatMap { Hold($0, in: queue, ownsSession: isOwn) }
        }
    }

    /// Calls `body` with the queue on a session, until the time is over.
    ///
    /// - Throws: The error of `body`; ``BusyError`` when the time is over, or ``EtcdError`` with the code `unavailable` if
    ///   etcd has not answered in that time.
    func waiting<Result: Sendable>(
        _ timeout: Duration?,
        _ body: @escaping @Sendable (_ queue: FairQueue, _ ownsSession: Bool) async throws -> Result?
    ) async throws -> Result {
        let attempt = Attempt()
        if let result = try await withTimeout(timeout, { try await withQueue(attempt, waits: true, body) }) {
            return result
        }
        throw attempt.timeIsOver(name, timeout ?? .zero)
    }

    /// Calls `body` with the queue, as ``SessionSource/withSession(waits:onFailure:_:)`` does with a session.
    func withQueue<Result>(
        _ attempt: Attempt = Attempt(),
        waits: Bool,
        _ body: (_ queue: FairQueue, _ ownsSession: Bool) async throws -> Result?
    ) async throws -> Result? {
        try await source.withSession(waits: waits, onFailure: { attempt.hindered(by: $0) }) { session, isOwn in
            let queue = FairQueue(session: session, name: key, staleKeys: staleKeys, attempt: attempt)
            return try await body(queue, isOwn)
        }
    }

    /// Lists the queue, in the order of its turns.
    func entries() async throws(EtcdError) -> [QueueEntry] {
        try await client.queueEntries(in: range).map(QueueEntry.init)
    }
}

/// A holder or a waiter in the queue of a lock or a semaphore.
public struct QueueEntry: Sendable, Hashable, CustomStringConvertible {
    /// The key that represents the place in the queue.
    public let key: Key
    /// The place in the queue: the revision at which the key was created.
    public let fencingToken: Revision
    /// The lease of the key; nil for a foreign key.
    ///
    /// Only a deletion ends a key without a lease: if waiters do not get their turn, look for one here.
    public let lease: Lease.ID?
    /// Whether the place is for reading, and can be shared with other readers.
    public let isShared: Bool
    /// The holder's or waiter's description of itself; empty for `etcdctl` and Go.
    public let owner: Value

    /// Makes an entry with these properties, for tests.
    public init(
        key: Key,
        fencingToken: Revision,
        lease: Lease.ID? = nil,
        isShared: Bool = false,
        owner: Value = ""
    ) {
        self.key = key
        self.fencingToken = fencingToken
        self.lease = lease
        self.isShared = isShared
        self.owner = owner
    }

    init(_ entry: KeyValue) {
        self.init(
            key: entry.key,
            fencingToken: entry.createRevision,
            lease: entry.lease,
            isShared: FairQueue.Role(of: entry) == .shared,
            owner: entry.owner
        )
    }

    /// The owner, the key and the token in one line.
    public var description: String {
        "\"\(owner)\" with \(key), token \(fencingToken)\(isShared ? ", shared" : "")\(lease == nil ? ", no lease" : "")"
    }
}
