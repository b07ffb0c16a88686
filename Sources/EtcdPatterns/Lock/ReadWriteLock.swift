// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lock that many hold together for reading, or one alone for writing, in the whole cluster.
///
/// ```swift
/// let schema = try ReadWriteLock("schema", client: client)
/// try await schema.withReadLock { _ in try await read() }
/// try await schema.withWriteLock { grant in try await migrate(grant.fencingToken) }
/// ```
///
/// All are served in the order in which they came: readers that stand together enter together, and a writer waits for
/// those before it, and none that come later. The queue is that of ``DistributedLock``, Go and `etcdctl lock`: whoever
/// takes a plain lock of the same name counts as a writer. A writer can go on as a reader, by ``downgrade(_:)``. A reader
/// cannot become a writer: two who tried would wait for each other.
public struct ReadWriteLock: Sendable {
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

    // MARK: Reading

    /// Waits for the lock for reading, runs `body` with it, and releases it.
    ///
    /// When the lock is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if `body`
    /// has returned.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the lock; nil for as long as it takes.
    ///   - body: Does what needs the lock.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost, or the session during the wait;
    ///   ``EtcdError``, with the code `deadlineExceeded` when the lock was not free in time.
    @discardableResult
    public func withReadLock<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await (try await acquireRead(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the lock for reading, and releases it, if no writer holds it or waits for it.
    ///
    /// - Parameter body: Does what needs the lock.
    /// - Returns: What `body` returns; nil if the lock was not free.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost; ``EtcdError``.
    @discardableResult
    public func withReadLockIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        try await acquireReadIfAvailable()?.whileHeld(body)
    }

    /// Waits for the lock for reading, to hold it until ``LockGrant/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The lock.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``EtcdError``, among its codes
    ///   `deadlineExceeded` when the lock was not free in time, `permissionDenied` and `cancelled`.
    public func acquireRead(timeout: Duration? = nil) async throws -> LockGrant {
        try await queued.acquire(.shared, timeout: timeout)
    }

    /// Acquires the lock for reading if no writer holds it or waits for it.
    ///
    /// - Returns: The lock, to be given up by ``LockGrant/release(timeout:)``; nil if it was not free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``.
    public func acquireReadIfAvailable() async throws -> LockGrant? {
        try await queued.acquireIfAvailable(.shared)
    }

    // MARK: Writing

    /// Waits for the lock for writing, runs `body` with it, and releases it.
    ///
    /// When the lock is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if `body`
    /// has returned.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the lock; nil for as long as it takes.
    ///   - body: Does what needs the lock.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost, or the session during the wait;
    ///   ``EtcdError``, with the code `deadlineExceeded` when the lock was not free in time.
    @discardableResult
    public func withWriteLock<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await (try await acquireWrite(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with the lock for writing, and releases it, if nobody holds it or waits for it.
    ///
    /// - Parameter body: Does what needs the lock.
    /// - Returns: What `body` returns; nil if the lock was not free.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the lock was lost; ``EtcdError``.
    @discardableResult
    public func withWriteLockIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        try await acquireWriteIfAvailable()?.whileHeld(body)
    }

    /// Waits for the lock for writing, to hold it until ``LockGrant/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The lock.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``EtcdError``, among its codes
    ///   `deadlineExceeded` when the lock was not free in time, `permissionDenied` and `cancelled`.
    public func acquireWrite(timeout: Duration? = nil) async throws -> LockGrant {
        try await queued.acquire(.exclusive, timeout: timeout)
    }

    /// Acquires the lock for writing if nobody holds it or waits for it.
    ///
    /// - Returns: The lock, to be given up by ``LockGrant/release(timeout:)``; nil if it was not free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``.
    public func acquireWriteIfAvailable() async throws -> LockGrant? {
        try await queued.acquireIfAvailable(.exclusive)
    }

    /// Goes on with a lock for writing as one for reading, without letting go of it: readers behind it come in.
    ///
    /// The grant stays what it is, with its place in the queue and its token, so no writer gets in between, and a scope
    /// releases it at its end. From the call on, whatever becomes of it, the grant is for reading only; what was written
    /// under it as a writer, and is still under way, is refused by the server. Where the call fails, readers may be kept
    /// out until it is made again, or the lock released. For a lock that is held for reading it does nothing.
    ///
    /// - Parameter grant: A grant of this lock, or of a plain lock of the same name.
    /// - Throws: ``CoordinationLoss`` when the lock is not held; ``EtcdError``, with the code `invalidArgument` for a
    ///   grant of another lock.
    public func downgrade(_ grant: LockGrant) async throws {
        guard grant.hold.queue.name == name, grant.slot == nil else {
            throw EtcdError(.invalidArgument, "\(grant.key) is not a hold of the lock \"\(name)\"")
        }
        try await grant.hold.downgrade()
    }

    // MARK: The queue

    /// Lists who holds the lock and who waits for it.
    ///
    /// - Returns: The holders and waiters in the order in which they came. Those before the first writer hold the lock, or
    ///   the writer if it is the first of all.
    /// - Throws: ``EtcdError``.
    public func queue() async throws(EtcdError) -> [LockEntry] { try await queued.entries() }
}
