// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lock that one task at a time holds, in the whole cluster.
///
/// ```swift
/// let lock = try DistributedLock("report", client: client)
/// try await lock.withLock { grant in
///     try await grant.guarded(then: [.put("state/report", "done")])
/// }
/// ```
///
/// Waiters are served in the order in which they came, and each release wakes the next one only. Two tasks exclude each
/// other also within one process and session. The queue is that of Go's `concurrency.Mutex` and of `etcdctl lock`: they
/// and this lock exclude each other under one name, in one order.
///
/// Keys are under `<name>/`, where nothing else may be; so a name must not be the beginning of another at a slash, such as
/// `a` and `a/b`.
public struct DistributedLock: Sendable {
    private var queued: QueuedLock

    /// What is locked: the locks of one name exclude each other.
    public var name: Key { queued.name }

    /// What the holder, or waiter, says of itself to those who look at the queue; by default, the name and the number of
    /// its process.
    public var owner: Value {
        get { queued.owner }
        set { queued.owner = newValue }
    }

    /// A lock on a session, which many can share; with the session, all of them are lost.
    ///
    /// - Parameters:
    ///   - name: What is locked.
    ///   - session: The session.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, session: Session) throws(EtcdError) {
        queued = try QueuedLock(name, .shared(session))
    }

    /// A lock each acquisition of which has a session of its own.
    ///
    /// - Parameters:
    ///   - name: What is locked.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait when a holder's process has died, in whole seconds (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, client: EtcdClient, timeToLive: Duration = .seconds(15)) throws(EtcdError) {
        queued = try QueuedLock(name, .own(client, timeToLive: timeToLive))
    }

    // MARK: Scopes

    /// Waits for the lock, runs `body` with it, and releases it.
    ///
    /// When the lock is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if `body`
    /// has returned. `body` runs in a child task, because only that can be cancelled.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the lock; nil for as long as it takes.
    ///   - body: Does what needs the lock.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost, or the session during the wait;
    ///   ``EtcdError``, with the code `deadlineExceeded` when the lock was not free in time.
    @discardableResult
    public func withLock<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the lock, and releases it, if nobody holds it or waits for it.
    ///
    /// - Parameter body: Does what needs the lock, as in ``withLock(timeout:_:)``.
    /// - Returns: What `body` returns; nil if the lock was not free.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost; ``QueueBlocked``; ``EtcdError``.
    @discardableResult
    public func withLockIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable()?.whileHeld(body)
    }

    // MARK: Handles

    /// Waits for the lock, to hold it until ``LockGrant/release(timeout:)``.
    ///
    /// Whether this throws, is cancelled or runs out of time: no place in the queue is left behind.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The lock. When its last copy is dropped, it is released too, at the latest with its lease.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``QueueBlocked`` when a key is in the way
    ///   that nothing ends; ``EtcdError``, among its codes `deadlineExceeded` when the lock was not free in time,
    ///   `unavailable` when etcd has not answered in that time, `permissionDenied` and `cancelled`.
    public func acquire(timeout: Duration? = nil) async throws -> LockGrant {
        try await queued.acquire(.exclusive, timeout: timeout)
    }

    /// Acquires the lock if nobody holds it or waits for it, in one request if it is free.
    ///
    /// - Returns: The lock, to be given up by ``LockGrant/release(timeout:)``; nil if it was not free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``QueueBlocked`` when it never becomes free, since nothing
    ///   ends the key that holds it; ``EtcdError``.
    public func acquireIfAvailable() async throws -> LockGrant? {
        try await queued.acquireIfAvailable(.exclusive)
    }

    /// Lists who holds the lock and who waits for it.
    ///
    /// - Returns: The holder, if there is one, and then the waiters in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func queue() async throws(EtcdError) -> [LockEntry] { try await queued.entries() }
}
