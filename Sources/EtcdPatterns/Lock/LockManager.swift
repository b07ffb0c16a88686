// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The locks under one prefix: each by its name, several at once, and a list of all of them.
///
/// ```swift
/// let accounts = try LockManager("accounts", on: .session(session))
/// try await accounts.withLocks(["alice", "bob"]) { locks in
///     try await locks.guarded(then: [.put("balance/alice", "10"), .put("balance/bob", "90")])
/// }
/// ```
///
/// Several locks are acquired in the order of their names, so that two callers never deadlock. A caller that acquires
/// one more while it holds others can cause a deadlock: name all in one call, or set a timeout.
///
/// A lock named `a` is the ``DistributedLock`` of the name `<prefix>/a`. Names have no slash, so none is the beginning of
/// another. Nothing but locks belongs under the prefix.
public struct LockManager: Sendable {
    /// The beginning of the names of all locks, without a slash at the end.
    public let prefix: String
    /// The holder's or waiter's description of itself, shown in lists of the locks; by default, the name and the number
    /// of its process.
    public var owner = NamedQueue.process
    private let source: SessionSource

    /// Describes the locks under a prefix.
    ///
    /// - Parameters:
    ///   - prefix: The beginning of their names, without a slash at the end.
    ///   - source: The session of each acquisition; locks that are acquired together share one.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ prefix: String, on source: SessionSource) throws(EtcdError) {
        try Key(prefix).checkName(of: "lock")
        try source.check()
        self.prefix = prefix
        self.source = source
    }

    /// The lock of a name.
    ///
    /// - Parameter name: The name, without slashes.
    /// - Returns: The lock; it is not acquired yet.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public func lock(_ name: String) throws(EtcdError) -> DistributedLock {
        DistributedLock(try NamedQueue(path(name), of: "lock", on: source), .exclusive, owner: owner)
    }

    /// The lock of a name, for reading and writing.
    ///
    /// - Parameter name: The name, without slashes.
    /// - Returns: The lock; it is not acquired yet.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public func readWriteLock(_ name: String) throws(EtcdError) -> ReadWriteLock {
        var lock = try ReadWriteLock(path(name), on: source)
        lock.owner = owner
        return lock
    }

    private func path(_ name: String) throws(EtcdError) -> String {
        if name.isEmpty { throw EtcdError(.emptyKey, "the name of a lock in \"\(prefix)\" is empty") }
        if name.utf8.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "the name of a lock in \"\(prefix)\" has a slash: \"\(name)\"")
        }
        return prefix + "/" + name
    }

    // MARK: Several locks

    /// Waits for all locks, runs `body` with them, and releases them.
    ///
    /// If one is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if `body` has
    /// returned.
    ///
    /// - Parameters:
    ///   - names: At least one name, in any order; a repeated name counts once.
    ///   - timeout: How long to wait for all locks together; nil waits without a limit.
    ///   - body: Does the work that needs the locks.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when a lock was lost; the errors of ``acquire(_:timeout:)``.
    @discardableResult
    public func withLocks<Result: Sendable>(
        _ names: [String],
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(names, timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the locks, and releases them, if all are free and have no waiters.
    ///
    /// - Parameters:
    ///   - names: The names, as in ``acquireIfAvailable(_:)``.
    ///   - body: Does the work that needs the locks.
    /// - Returns: The result of `body`; nil if the locks were not all free.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when a lock was lost; ``QueueBlocked``; ``EtcdError``.
    @discardableResult
    public func withLocksIfAvailable<Result: Sendable>(
        _ names: [String],
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable(names)?.whileHeld(body)
    }

    /// Waits for all locks, and holds them until ``LockSet/release(timeout:)``.
    ///
    /// The locks are acquired one after the other, and held while this waits for the others. If it throws, is cancelled or
    /// runs out of time, none of them is left.
    ///
    /// - Parameters:
    ///   - names: At least one name, in any order; a repeated name counts once.
    ///   - timeout: How long to wait for all locks together; nil waits without a limit.
    /// - Returns: The locks.
    /// - Throws: ``BusyError`` when the locks were not all free in time; ``CoordinationLoss`` when the session, a lock that
    ///   was acquired already, or the place in a queue was lost during the wait; ``QueueBlocked`` when only the deletion of
    ///   a key can free one of them; ``EtcdError``; `CancellationError`.
    public func acquire(_ names: [String], timeout: Duration? = nil) async throws -> LockSet {
        let names = try distinct(names)
        let attempt = Attempt()
        let set = try await withTimeout(timeout) {
            try await source.withSession(waits: true, onFailure: { attempt.hindered(by: $0) }) { session, isOwn in
                let grants = try await takeAll(names, session, attempt)
                return LockSet(grants, ownSession: isOwn ? session : nil)
            }
        }
        if let set { return set }
        throw attempt.timeIsOver(names.map { "\(prefix)/\($0)" }.joined(separator: ", "), timeout ?? .zero)
    }

    private func takeAll(_ names: [String], _ session: Session, _ attempt: Attempt) async throws -> [String: LockGrant]
    {
        var grants: [String: LockGrant] = [:]
        do {
            for name in names {
                let queue = FairQueue(session: session, name: Key(try path(name)), attempt: attempt)
                let soFar = Lifetime(within: [session.lifetime] + grants.values.map(\.hold.lifetime))
                grants[name] = try await soFar.whileHeld { [owner] in
                    guard let key = try await queue.enter(.exclusive, owner),
                        let hold = Hold(key, in: queue, ownsSession: false)
                    else { throw CoordinationLoss(.keyDeleted) }
                    return LockGrant(hold: hold)
                }
            }
            return grants
        } catch {
            await LockSet(grants, ownSession: nil)?.release()
            throw error
        }
    }

    /// Acquires all locks if all are free and have no waiters, in one request.
    ///
    /// - Parameter names: At least one name, in any order; at most as many as the server allows a transaction to have
    ///   operations (128 by default).
    /// - Returns: The locks, to be released by ``LockSet/release(timeout:)``; nil if they were not all free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``QueueBlocked`` when a key that holds one of the locks never
    ///   goes away by itself; ``EtcdError``, with the code `tooManyOperations` for more names than the server allows;
    ///   `CancellationError`.
    public func acquireIfAvailable(_ names: [String]) async throws -> LockSet? {
        let names = try distinct(names)
        return try await source.withSession(waits: false) { session, isOwn in
            let places = names.map { name in
                let queue = FairQueue(session: session, name: Key(prefix + "/" + name))
                return (queue: queue, queueKey: queue.queueKey(.exclusive, owner))
            }
            do {
                let isSuccess = try await QueueKey.keep(places.map { $0.queueKey }, on: session) {
                    try await FairQueue.joinIfEmpty(places, on: session)
                }
                if !isSuccess { return nil }
            } catch EtcdError.Code.tooManyOperations {
                throw EtcdError(
                    .tooManyOperations,
                    "\(places.count) locks are more than the server allows in one request"
                )
            }
            var grants: [String: LockGrant] = [:]
            for (name, place) in zip(names, places) {
                grants[name] = Hold(place.queueKey, in: place.queue, ownsSession: false).map(LockGrant.init)
            }
            return LockSet(grants, ownSession: isOwn ? session : nil)
        }
    }

    /// The names in the order in which the locks are acquired.
    private func distinct(_ names: [String]) throws(EtcdError) -> [String] {
        if names.isEmpty { throw EtcdError(.invalidArgument, "there are no names of locks in \"\(prefix)\"") }
        for name in names { _ = try path(name) }
        return Set(names).sorted { Key($0) < Key($1) }
    }

    // MARK: All locks

    /// Lists all locks that have holders.
    ///
    /// - Returns: The locks in the order of their names, each with its holders and waiters.
    /// - Throws: ``EtcdError``.
    public func locks() async throws(EtcdError) -> [LockQueue] {
        let start = Key(prefix + "/")
        var entries: [Key: [QueueEntry]] = [:]
        for entry in try await source.client.range(.prefix(start)).entries {
            let rest = entry.key.bytes.dropFirst(start.bytes.count)
            guard let end = rest.firstIndex(of: UInt8(ascii: "/")) else { continue }
            entries[Key(bytes: Array(rest[..<end])), default: []].append(QueueEntry(entry))
        }
        return entries.sorted { $0.key < $1.key }.map { name, entries in
            LockQueue(name: "\(name)", entries: entries.sorted { $0.fencingToken < $1.fencingToken })
        }
    }
}

/// The holders and the waiters of a lock at one moment.
public struct LockQueue: Sendable, Hashable, CustomStringConvertible {
    /// The name of the lock.
    public let name: String
    /// The holders and the waiters, in the order in which they came.
    public let entries: [QueueEntry]

    /// Makes a queue with these properties, for tests.
    public init(name: String, entries: [QueueEntry]) {
        self.name = name
        self.entries = entries
    }

    /// The holders: one, or several readers.
    public var holders: ArraySlice<QueueEntry> {
        let readers = entries.prefix(while: \.isShared)
        return readers.isEmpty ? entries.prefix(1) : readers
    }

    /// The waiters, in the order of their turns.
    public var waiters: ArraySlice<QueueEntry> { entries.dropFirst(holders.count) }

    /// The name, the holders and the number of waiters in one line.
    public var description: String {
        let owners = holders.map { "\"\($0.owner)\"" }.joined(separator: ", ")
        return "\(name): held by \(owners.isEmpty ? "nobody" : owners), \(waiters.count) waiting"
    }
}

/// Several locks that a ``LockManager`` has acquired together; when one is lost, the set is lost.
public struct LockSet: Grant {
    /// The locks by their names, each with a token of its own.
    public let grants: [String: LockGrant]
    /// The library's own view of the grant.
    public let basis: GrantBasis
    private let ownSession: Session?

    /// - Returns: Nil if there are no locks.
    init?(_ grants: [String: LockGrant], ownSession: Session?) {
        let holds = grants.values.map(\.hold)
        guard let first = holds.first else { return nil }
        self.grants = grants
        self.ownSession = ownSession
        let lifetime = Lifetime(within: holds.map(\.lifetime))
        basis = GrantBasis(first, others: Array(holds.dropFirst()), lifetime: lifetime)
    }

    /// Releases all locks, as ``LockGrant/release(timeout:)`` does for one.
    ///
    /// - Parameter timeout: How long to wait until others can have the locks.
    public func release(timeout: Duration = .seconds(5)) async {
        let end = ContinuousClock.Instant.after(timeout)
        await withTaskGroup(of: Void.self) { group in
            for grant in grants.values { group.addTask { await grant.release(timeout: timeout) } }
        }
        await ownSession?.close(timeout: end - .now)
    }

    /// Runs `body`, cancels it when a lock is lost, and releases all.
    func whileHeld<Result: Sendable>(
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result {
        try await releasing({ await release() }) {
            try await basis.lifetime.whileHeld { try await body(self) }
        }
    }
}
