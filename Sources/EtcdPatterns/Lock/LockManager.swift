// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The locks under one prefix, on one session: each by its name, several at once, and all of them to look at.
///
/// ```swift
/// let accounts = try LockManager("accounts", session: session)
/// try await accounts.withLocks(["alice", "bob"]) { locks in
///     try await locks.guarded(then: [.put("balance/alice", "10"), .put("balance/bob", "90")])
/// }
/// ```
///
/// Several locks are acquired in the order of their names, so that those who do so never wait for each other in a circle.
/// Whoever acquires one more while it holds others can bring such a circle about: name all in one call, or set a timeout.
///
/// A lock named `a` is the ``DistributedLock`` of the name `<prefix>/a`. Names have no slash, so none is the beginning of
/// another. Nothing but locks belongs under the prefix.
public struct LockManager: Sendable {
    /// Where the locks are.
    public let prefix: Key
    /// What the holder, or waiter, says of itself to those who look; by default, the name and the number of its process.
    public var owner: Value
    private let session: Session

    /// A manager of the locks under a prefix.
    ///
    /// - Parameters:
    ///   - prefix: Where the locks are, without a slash at the end.
    ///   - session: What the locks that are acquired here stand on; with it, all of them are lost.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ prefix: Key, session: Session) throws(EtcdError) {
        self.prefix = prefix
        self.session = session
        owner = try QueuedLock(prefix, .shared(session)).owner
    }

    /// The lock of a name.
    ///
    /// - Parameter name: What is locked, without slashes.
    /// - Returns: The lock; it is not acquired yet.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public func lock(_ name: Key) throws(EtcdError) -> DistributedLock {
        var lock = try DistributedLock(path(name), session: session)
        lock.owner = owner
        return lock
    }

    /// The lock of a name, for reading and writing.
    ///
    /// - Parameter name: What is locked, without slashes.
    /// - Returns: The lock; it is not acquired yet.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public func readWriteLock(_ name: Key) throws(EtcdError) -> ReadWriteLock {
        var lock = try ReadWriteLock(path(name), session: session)
        lock.owner = owner
        return lock
    }

    private func path(_ name: Key) throws(EtcdError) -> Key {
        if name.bytes.isEmpty { throw EtcdError(.emptyKey, "the name of a lock in \"\(prefix)\" is empty") }
        if name.bytes.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "the name of a lock in \"\(prefix)\" has a slash: \"\(name)\"")
        }
        return prefix + "/" + name
    }

    // MARK: Several locks

    /// Waits for all locks, runs `body` with them, and releases them.
    ///
    /// When one is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if `body` has
    /// returned.
    ///
    /// - Parameters:
    ///   - names: What is locked, at least one name, in any order; a name that is there twice counts once.
    ///   - timeout: How long to wait for all locks together; nil for as long as it takes.
    ///   - body: Does what needs the locks.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when a lock was lost; ``EtcdError``, with the code
    ///   `deadlineExceeded` when the locks were not free in time.
    @discardableResult
    public func withLocks<Result: Sendable>(
        _ names: [Key],
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(names, timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the locks, and releases them, if nobody holds one of them or waits for it.
    ///
    /// - Parameters:
    ///   - names: What is locked, as in ``acquireIfAvailable(_:)``.
    ///   - body: Does what needs the locks.
    /// - Returns: What `body` returns; nil if the locks were not all free.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when a lock was lost; ``EtcdError``.
    @discardableResult
    public func withLocksIfAvailable<Result: Sendable>(
        _ names: [Key],
        _ body: @escaping @Sendable (LockSet) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable(names)?.whileHeld(body)
    }

    /// Waits for all locks, to hold them until ``LockSet/release(timeout:)``.
    ///
    /// The locks are acquired one after the other, and those that it has are held while it waits for the others. Whether
    /// this throws, is cancelled or runs out of time: none of them is left.
    ///
    /// - Parameters:
    ///   - names: What is locked, at least one name, in any order; a name that is there twice counts once.
    ///   - timeout: How long to wait for all locks together; nil for as long as it takes.
    /// - Returns: The locks.
    /// - Throws: ``CoordinationLoss`` when the session, or a lock that was acquired already, was lost during the wait;
    ///   ``EtcdError``, among its codes `deadlineExceeded` when the locks were not free in time.
    public func acquire(_ names: [Key], timeout: Duration? = nil) async throws -> LockSet {
        let locks = try distinct(names)
        if let set = try await withTimeout(timeout, { try await acquireAll(locks) }) { return set }
        throw EtcdError(.deadlineExceeded, "not all of \(locks.map { $0.name }) were free within \(timeout ?? .zero)")
    }

    private func acquireAll(_ locks: [(name: Key, lock: DistributedLock)]) async throws -> LockSet {
        var grants: [Key: LockGrant] = [:]
        do {
            for (name, lock) in locks {
                let soFar = Tenure(within: [session.tenure] + grants.values.map(\.hold.tenure))
                grants[name] = try await soFar.whileHeld { try await lock.acquire() }
            }
            return LockSet(grants)
        } catch {
            await LockSet(grants).release()
            throw error
        }
    }

    /// Acquires all locks if nobody holds one of them or waits for it, in one request.
    ///
    /// - Parameter names: What is locked, at least one name, in any order; at most as many as the server allows a
    ///   transaction to have operations (128 by default).
    /// - Returns: The locks, to be given up by ``LockSet/release(timeout:)``; nil if they were not all free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``, with the code `tooManyOperations` for more
    ///   names than the server allows.
    public func acquireIfAvailable(_ names: [Key]) async throws -> LockSet? {
        let locks = try distinct(names)
        let places = locks.map { name, lock in
            let queue = KeyQueue(session: session, name: lock.name)
            return (queue: queue, candidacy: queue.candidacy(.exclusive, owner))
        }
        do {
            let isSuccess = try await session.orLeave(places.map { $0.candidacy }) { [session] in
                try await session.joinIfEmpty(places)
            }
            if !isSuccess { return nil }
        } catch EtcdError.Code.tooManyOperations {
            throw EtcdError(.tooManyOperations, "\(places.count) locks are more than the server allows in one request")
        }
        var grants: [Key: LockGrant] = [:]
        for (name, place) in zip(locks.map { $0.name }, places) {
            guard let revision = place.candidacy.createRevision else { continue }
            grants[name] = LockGrant(
                hold: Hold(place.candidacy, at: revision, in: place.queue, ownsSession: false)
            )
        }
        return LockSet(grants)
    }

    /// The locks in the order in which they are acquired.
    private func distinct(_ names: [Key]) throws(EtcdError) -> [(name: Key, lock: DistributedLock)] {
        if names.isEmpty { throw EtcdError(.invalidArgument, "there are no names of locks in \"\(prefix)\"") }
        var locks: [(name: Key, lock: DistributedLock)] = []
        for name in Set(names).sorted() { locks.append((name, try lock(name))) }
        return locks
    }

    // MARK: Who is there

    /// Lists all locks that somebody holds.
    ///
    /// - Returns: The locks in the order of their names, each with its holders and waiters.
    /// - Throws: ``EtcdError``.
    public func locks() async throws(EtcdError) -> [LockQueue] {
        let start = prefix + "/"
        var entries: [Key: [LockEntry]] = [:]
        for entry in try await session.client.range(.prefix(start)).entries {
            let rest = entry.key.bytes.dropFirst(start.bytes.count)
            guard let end = rest.firstIndex(of: UInt8(ascii: "/")) else { continue }
            entries[Key(bytes: Array(rest[..<end])), default: []].append(LockEntry(entry))
        }
        return entries.sorted { $0.key < $1.key }.map { name, entries in
            LockQueue(name: name, entries: entries.sorted { $0.fencingToken < $1.fencingToken })
        }
    }
}
