// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A lock that many tasks can hold for reading, or one task alone for writing, in the whole cluster.
///
/// ```swift
/// let schema = try ReadWriteLock("schema", on: .client(client))
/// try await schema.reading.withLock { _ in try await read() }
/// try await schema.writing.withLock { grant in try await migrate(grant.fencingToken) }
/// ```
///
/// All are served in the order in which they came: adjacent readers enter together, and a writer waits only for those
/// before it. The queue is that of ``DistributedLock``, Go and `etcdctl lock`: a plain lock of the same name counts as
/// a writer. A writer can become a reader by ``downgrade(_:)``. A reader cannot become a writer: two that tried would
/// wait for each other.
public struct ReadWriteLock: Sendable {
    private let queue: NamedQueue

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
        queue = try NamedQueue(name, of: "lock", on: source)
    }

    /// The lock for reading, which is free while no writer holds it or waits before the reader.
    public var reading: DistributedLock { DistributedLock(queue, .shared, owner: owner) }

    /// The lock for writing, which is free while no reader and no other writer holds it.
    public var writing: DistributedLock { DistributedLock(queue, .exclusive, owner: owner) }

    /// Turns a lock for writing into one for reading, without releasing it: readers behind it are admitted.
    ///
    /// The grant keeps its place in the queue and its token. So no writer gets in between, and a scope releases it at its
    /// end. From this call on, whatever its outcome, the grant is for reading only: the server refuses guarded writes that
    /// were made as a writer and are still under way. If the call fails, readers may be kept out until it is repeated or the
    /// lock is released. For a lock that is held for reading it does nothing.
    ///
    /// - Parameter grant: A grant of this lock, or of a plain lock of the same name.
    /// - Throws: ``CoordinationLoss`` when the lock is not held; ``EtcdError``, with the code `invalidArgument` for a
    ///   grant of another lock; `CancellationError`.
    public func downgrade(_ grant: LockGrant) async throws {
        guard grant.hold.queue.name == queue.key else {
            throw EtcdError(.invalidArgument, "\(grant.key) is not a hold of the lock \"\(name)\"")
        }
        try await unifyingCancellation { try await grant.hold.downgrade() }
    }

    /// Lists the holders and the waiters.
    ///
    /// - Returns: Holders and waiters in the order in which they came. Those before the first writer hold the lock, or
    ///   the writer if it is the first of all.
    /// - Throws: ``EtcdError``.
    public func queue() async throws(EtcdError) -> [QueueEntry] { try await queue.entries() }
}
