// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A semaphore: at most as many tasks as it has slots hold it at the same time, in the whole cluster.
///
/// ```swift
/// let licences = try Semaphore("licences", limit: 3, on: .client(client))
/// try await licences.withSlot { slot in try await work(slot.number) }
/// ```
///
/// Waiters are served in the order in which they came: one takes a free slot if there is another for each before it.
///
/// The number of slots is stored in etcd, under `<name>/limit`, and can be changed at any time by ``setLimit(_:)``. Waiters
/// are under `<name>/queue/`, and only the first two of them watch the slots, which are under `<name>/slots/`.
public struct Semaphore: Sendable {
    private let slots: SlotTable
    private let queue: NamedQueue

    /// The name: semaphores of one name share their slots.
    public var name: String { queue.name }

    /// The holder's or waiter's description of itself, shown in lists of them; by default, the name and the number of
    /// its process.
    public var owner = NamedQueue.process

    /// Describes a semaphore.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - limit: The maximum number of holders, at least 1, if no limit is stored yet.
    ///   - source: The session of each acquisition.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, limit: Int, on source: SessionSource) throws(EtcdError) {
        queue = try NamedQueue(name, "/queue", of: "semaphore", on: source)
        try Self.check(limit)
        slots = SlotTable(name: Key(name), initialLimit: limit)
    }

    // MARK: The limit

    /// Reads how many slots there are.
    ///
    /// - Returns: The stored limit, or that of the initialiser if none is stored yet.
    /// - Throws: ``EtcdError``, with the code `invalidArgument` if the stored value is no positive number.
    public func limit() async throws(EtcdError) -> Int {
        guard let entry = try await queue.client.get(slots.limitKey) else { return slots.initialLimit }
        return try SlotTable.limit(in: entry)
    }

    /// Changes the number of slots, for all users of the semaphore.
    ///
    /// If there are more, waiters get them at once. If there are fewer, all holders keep theirs, and no waiter gets one
    /// until enough were released.
    ///
    /// - Parameter limit: The maximum number of holders, at least 1.
    /// - Throws: ``EtcdError``, with the code `invalidArgument` for a limit below 1.
    public func setLimit(_ limit: Int) async throws(EtcdError) {
        try Self.check(limit)
        try await queue.client.put(slots.limitKey, Value("\(limit)"))
    }

    private static func check(_ limit: Int) throws(EtcdError) {
        if limit < 1 { throw EtcdError(.invalidArgument, "a semaphore of \(limit) slots: it needs 1 at least") }
    }

    // MARK: Scopes

    /// Waits for a slot, runs `body` with it, and releases it.
    ///
    /// If the slot is lost, the task of `body` is cancelled, and the loss is thrown once `body` has ended, also if `body`
    /// has returned.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for a slot; nil waits without a limit.
    ///   - body: Does the work that needs the slot.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the slot was lost; the errors of ``acquire(timeout:)``.
    @discardableResult
    public func withSlot<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (SemaphoreSlot) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with a slot, and releases it, if there are more free slots than waiters.
    ///
    /// - Parameter body: Does the work that needs the slot.
    /// - Returns: The result of `body`; nil if no slot was free.
    /// - Throws: The error of `body`; ``CoordinationLoss`` when the slot was lost; ``QueueBlocked``; ``EtcdError``.
    @discardableResult
    public func withSlotIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (SemaphoreSlot) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable()?.whileHeld(body)
    }

    // MARK: Handles

    /// Waits for a slot, and holds it until ``SemaphoreSlot/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Returns: The slot.
    /// - Throws: ``BusyError`` when no slot was free in time; ``CoordinationLoss`` when the session was lost during the wait;
    ///   ``QueueBlocked`` when no slot ever becomes free; ``EtcdError``, among its codes `unavailable` when etcd has not
    ///   answered in that time, `invalidArgument` if the stored limit is no positive number, and `permissionDenied`;
    ///   `CancellationError`.
    public func acquire(timeout: Duration? = nil) async throws -> SemaphoreSlot {
        try await queue.waiting(timeout) { queue, isOwn in try await enter(queue, isOwn, waits: true) }
    }

    /// Acquires a slot if there are more free slots than waiters.
    ///
    /// - Returns: The slot, to be released by ``SemaphoreSlot/release(timeout:)``; nil if none was free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``QueueBlocked`` when no slot ever becomes free;
    ///   ``EtcdError``; `CancellationError`.
    public func acquireIfAvailable() async throws -> SemaphoreSlot? {
        try await queue.withQueue(waits: false) { queue, isOwn in try await enter(queue, isOwn, waits: false) }
    }

    private func enter(_ queue: FairQueue, _ ownsSession: Bool, waits: Bool) async throws -> SemaphoreSlot? {
        let session = queue.session
        let turn = queue.queueKey(.exclusive, owner)
        let claimed = Lock<QueueKey?>(nil)
        do {
            _ = try await QueueKey.keep([turn], on: session) {
                try await session.lifetime.whileHeld { [slots] in
                    if !waits {
                        try await queue.deleteStaleKeys()
                        // Joining the queue just to check would keep others out.
                        guard try await slots.hasRoom(in: queue) else { return false }
                    }
                    let others = try await queue.join(turn)
                    let slot = try await slots.claim(for: turn, behind: others, in: queue, waits: waits)
                    claimed.withLock { $0 = slot }
                    return slot != nil
                }
            }
        } catch {
            if let slot = claimed.withLock({ $0 }) { await QueueKey.leave([slot], timeout: Session.grace) }
            throw error
        }
        let reserved = [KeyRange.prefix(slots.prefix)]
        guard let slot = claimed.withLock({ $0 }), let number = slots.number(of: slot.key),
            let hold = Hold(slot, in: queue, reserved: reserved, ownsSession: ownsSession)
        else { return nil }
        // The claim has deleted the place in the queue, but a late put may still create it again.
        turn.wasErased(at: hold.createRevision)
        return SemaphoreSlot(number: number, hold: hold)
    }

    // MARK: Holders and waiters

    /// Lists the holders.
    ///
    /// - Returns: The holders of slots, in the order in which they got them.
    /// - Throws: ``EtcdError``.
    public func holders() async throws(EtcdError) -> [QueueEntry] {
        try await queue.client.queueEntries(in: .prefix(slots.prefix)).map(QueueEntry.init)
    }

    /// Lists the waiters.
    ///
    /// - Returns: The waiters in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func waiters() async throws(EtcdError) -> [QueueEntry] { try await queue.entries() }
}

/// A slot of a ``Semaphore`` that was acquired.
///
/// Each slot has tokens of its own, since several holders are valid at once: a resource that checks the
/// ``FencedGrant/fencingToken`` does so for each ``number``.
public struct SemaphoreSlot: FencedGrant, HoldGrant {
    /// The number of the slot, from 0.
    public let number: Int
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Releases the slot, for the next waiter, as ``LockGrant/release(timeout:)`` does with a lock.
    ///
    /// - Parameter timeout: How long to wait until the next one can have the slot.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }
}
