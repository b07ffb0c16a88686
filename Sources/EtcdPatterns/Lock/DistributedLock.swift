// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lock that one task at a time holds, in the whole cluster.
///
/// ```swift
/// let lock = try DistributedLock("report", on: .client(client))
/// try await lock.withLock { grant in
///     try await grant.guarded(then: [.put("state/report", "done")])
/// }
/// ```
///
/// Waiters are served in the order in which they came, and each release wakes the next one only. Two tasks exclude each
/// other also within one process and session. The queue is that of Go's `concurrency.Mutex` and of `etcdctl lock`: they
/// and this lock exclude each other under one name, in one order.
///
/// The keys are under `<name>/`, and no others may be there. So a name must not be the beginning of another at a slash,
/// such as `a` and `a/b`.
///
/// The parts of a ``ReadWriteLock`` are locks of this type, too; the lock for reading can have several holders.
public struct DistributedLock: Sendable {
    private let queue: NamedQueue
    private let role: FairQueue.Role

    /// The name: locks of one name exclude each other.
    public var name: String { queue.name }

    /// The holder's or waiter's description of itself, shown in lists of the queue; by default, the name and the number
    /// of its process.
    public var owner = NamedQueue.process

    /// Describes a lock.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - source: The session of each acquisition.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, on source: SessionSource) throws(EtcdError) {
        self.init(try NamedQueue(name, of: "lock", on: source), .exclusive)
    }

    init(_ queue: NamedQueue, _ role: FairQueue.Role, owner: Value = NamedQueue.process) {
        self.queue = queue
        self.role = role
        self.owner = owner
    }

    // MARK: Scopes

    /// Waits for the lock, runs `body` with it, and releases it.
    ///
    /// If the lock is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if `body` has
    /// returned. `body` runs in a task of its own, so that it can be cancelled.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the lock; nil waits without a limit.
    ///   - body: Does the work that needs the lock.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the lock was lost; the errors of ``acquire(timeout:)``.
    @discardableResult
    public func withLock<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the lock, and releases it, if the lock is free and has no waiters.
    ///
    /// - Parameter body: Does the work that needs the lock, as in ``withLock(timeout:_:)``.
    /// - Returns: The result of `body`; nil if the lock was not free.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the lock was lost; ``QueueBlocked``; ``EtcdError``.
    @discardableResult
    public func withLockIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable()?.whileHeld(body)
    }

    // MARK: Handles

    /// Waits for the lock, and holds it until ``LockGrant/release(timeout:)``.
    ///
    /// If this throws, is cancelled or runs out of time, it leaves no place in the queue behind.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Returns: The lock. It is also released when its last copy is dropped, at the latest with its lease.
    /// - Throws: ``BusyError`` when the lock was not free in time; ``CoordinationLoss`` when the session was lost during the
    ///   wait, or another client has deleted the key in the queue; ``QueueBlocked`` when only the deletion of a key can free
    ///   the queue; ``EtcdError``, among its codes `unavailable` when etcd has not answered in that time, and
    ///   `permissionDenied`; `CancellationError`.
    public func acquire(timeout: Duration? = nil) async throws -> LockGrant {
        LockGrant(hold: try await queue.acquire(role, owner, timeout: timeout))
    }

    /// Acquires the lock if it is free and has no waiters, in one request.
    ///
    /// - Returns: The lock, to be released by ``LockGrant/release(timeout:)``; nil if it was not free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``QueueBlocked`` when the key that holds the lock never goes
    ///   away by itself; ``EtcdError``; `CancellationError`.
    public func acquireIfAvailable() async throws -> LockGrant? {
        try await queue.acquireIfAvailable(role, owner).map(LockGrant.init)
    }

    /// Lists the holders and the waiters.
    ///
    /// - Returns: The holder, if there is one, and then the waiters in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func queue() async throws(EtcdError) -> [QueueEntry] { try await queue.entries() }
}

/// A lock that was acquired.
public struct LockGrant: FencedGrant, HoldGrant {
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Whether the lock is held for reading, or a writer has begun to downgrade it; see ``ReadWriteLock``.
    public var isShared: Bool { hold.isShared }

    /// Releases the lock, for the next waiter.
    ///
    /// A second release does nothing, and there is no wait for a lock that is already lost. The release continues if
    /// the caller's task is cancelled, and in the background when the timeout is over, for as long as the lease lives.
    /// If the key cannot be deleted by then, the lease is given up, which may end the session.
    ///
    /// - Parameter timeout: How long to wait until the next waiter can have the lock.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }
}
