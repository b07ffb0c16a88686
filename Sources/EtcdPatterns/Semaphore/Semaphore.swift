// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A semaphore: as many tasks as it has slots are inside at once, in the whole cluster.
///
/// ```swift
/// let licences = try Semaphore("licences", limit: 3, client: client)
/// try await licences.withSlot { grant in try await work() }
/// ```
///
/// Waiters are served in the order in which they came: one takes a free slot if there is another for each before it. Each
/// slot has tokens of its own: a resource that guards itself by
/// ``LockGrant/fencingToken`` does so for each ``LockGrant/slot``, since several holders are right at once.
///
/// How many slots there are stands in etcd, under `<name>/limit`, and can be changed at any time by ``setLimit(_:)``.
/// Waiters are under `<name>/queue/`, and only the first two of them watch the slots, which are under `<name>/slots/`.
public struct Semaphore: Sendable {
    /// What is limited: the semaphores of one name share their slots.
    public let name: Key
    private let slots: SlotTable
    private var queued: QueuedLock

    /// What the holder, or waiter, says of itself to those who look; by default, the name and the number of its process.
    public var owner: Value {
        get { queued.owner }
        set { queued.owner = newValue }
    }

    /// A semaphore on a session, which many can share; with the session, all of their slots are lost.
    ///
    /// - Parameters:
    ///   - name: What is limited.
    ///   - limit: How many may be inside at once, at least 1, if that has not been set before.
    ///   - session: The session.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, limit: Int, session: Session) throws(EtcdError) {
        try self.init(name, limit, .shared(session))
    }

    /// A semaphore each acquisition of which has a session of its own.
    ///
    /// - Parameters:
    ///   - name: What is limited.
    ///   - limit: How many may be inside at once, at least 1, if that has not been set before.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long others have to wait when a holder's process has died, in whole seconds (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(
        _ name: Key,
        limit: Int,
        client: EtcdClient,
        timeToLive: Duration = .seconds(15)
    ) throws(EtcdError) {
        try self.init(name, limit, .own(client, timeToLive: timeToLive))
    }

    private init(_ name: Key, _ limit: Int, _ source: SessionSource) throws(EtcdError) {
        try name.checkName(of: "semaphore")
        try Self.check(limit)
        self.name = name
        slots = SlotTable(name: name, initialLimit: limit)
        queued = try QueuedLock(name + "/queue", source)
    }

    // MARK: The limit

    /// Reads how many slots there are.
    ///
    /// - Returns: The limit in etcd, or the one that this semaphore was made with if none has been set yet.
    /// - Throws: ``EtcdError``, with the code `invalidArgument` if what stands in etcd is no positive number.
    public func limit() async throws(EtcdError) -> Int {
        guard let entry = try await queued.source.client.get(slots.limitKey) else { return slots.initialLimit }
        return try SlotTable.limit(in: entry)
    }

    /// Changes how many slots there are, for all who use the semaphore.
    ///
    /// If there are more, waiters get them at once. If there are fewer, all who are inside stay, and nobody gets in until
    /// enough have left.
    ///
    /// - Parameter limit: How many may be inside at once, at least 1.
    /// - Throws: ``EtcdError``, with the code `invalidArgument` for a limit below 1.
    public func setLimit(_ limit: Int) async throws(EtcdError) {
        try Self.check(limit)
        try await queued.source.client.put(slots.limitKey, Value("\(limit)"))
    }

    private static func check(_ limit: Int) throws(EtcdError) {
        if limit < 1 { throw EtcdError(.invalidArgument, "a semaphore of \(limit) slots") }
    }

    // MARK: Scopes

    /// Waits for a slot, runs `body` with it, and gives it back.
    ///
    /// When the slot is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if `body`
    /// has returned.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for a slot; nil for as long as it takes.
    ///   - body: Does what needs the slot.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the slot was lost, or the session during the wait;
    ///   ``EtcdError``, with the code `deadlineExceeded` when no slot was free in time.
    @discardableResult
    public func withSlot<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result {
        try await (try await acquire(timeout: timeout)).whileHeld(body)
    }

    /// Runs `body` with a slot, and gives it back, if one is free, and not for one of those who wait.
    ///
    /// - Parameter body: Does what needs the slot.
    /// - Returns: What `body` returns; nil if no slot was free.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the slot was lost; ``EtcdError``.
    @discardableResult
    public func withSlotIfAvailable<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        try await acquireIfAvailable()?.whileHeld(body)
    }

    // MARK: Handles

    /// Waits for a slot, to hold it until ``LockGrant/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Returns: The slot.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``QueueBlocked`` when no slot ever becomes
    ///   free; ``EtcdError``, among its codes `deadlineExceeded` when none was free in time, `unavailable` when etcd has not
    ///   answered in that time, `invalidArgument` if the limit in etcd is no positive number,
    ///   `permissionDenied` and `cancelled`.
    public func acquire(timeout: Duration? = nil) async throws -> LockGrant {
        let attempt = Attempt()
        if let grant = try await withTimeout(timeout, { try await enter(waits: true, attempt) }) { return grant }
        throw attempt.timeIsOver("no slot of \"\(name)\" was free within \(timeout ?? .zero)")
    }

    /// Acquires a slot if one is free, and not for one of those who wait.
    ///
    /// - Returns: The slot, to be given back by ``LockGrant/release(timeout:)``; nil if none was free.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``.
    public func acquireIfAvailable() async throws -> LockGrant? {
        try await enter(waits: false, Attempt())
    }

    private func enter(waits: Bool, _ attempt: Attempt) async throws -> LockGrant? {
        try await queued.source.withSession(waits ? attempt : nil) { session, isOwn in
            let queue = KeyQueue(session: session, name: queued.name, leftovers: queued.leftovers, attempt: attempt)
            let turn = queue.candidacy(.exclusive, owner)
            let claimed = Lock<Candidacy?>(nil)
            do {
                _ = try await session.orLeave([turn]) {
                    try await session.tenure.whileHeld { [slots] in
                        if !waits {
                            try await queue.deleteLeftovers()
                            // To stand in the queue for a look only would keep others out.
                            guard try await slots.hasRoom(in: queue) else { return false }
                        }
                        let others = try await queue.join(turn)
                        let slot = try await slots.claim(for: turn, behind: others, in: queue, waits: waits)
                        claimed.withLock { $0 = slot }
                        return slot != nil
                    }
                }
            } catch {
                if let slot = claimed.withLock({ $0 }) { await session.leave([slot], timeout: Session.grace) }
                throw error
            }
            guard let slot = claimed.withLock({ $0 }), let revision = slot.createRevision else { return nil }
            // The claim has deleted the place in the queue, of which a straggler may remain.
            if turn.hasLooseEnds { session.sweep(turn.key) } else { session.witness.gaveUp(turn.key) }
            let number = slots.number(of: slot.key)
            return LockGrant(hold: Hold(slot, at: revision, in: queue, slot: number, ownsSession: isOwn))
        }
    }

    // MARK: Who is there

    /// Lists who is inside.
    ///
    /// - Returns: The holders of slots, in the order in which they got them.
    /// - Throws: ``EtcdError``.
    public func holders() async throws(EtcdError) -> [LockEntry] {
        var options = RangeOptions()
        options.sort = .ascending(by: .createRevision)
        let range = KeyRange.prefix(slots.prefix)
        return try await queued.source.client.range(range, options: options).entries.map(LockEntry.init)
    }

    /// Lists who waits.
    ///
    /// - Returns: The waiters in the order of their turns.
    /// - Throws: ``EtcdError``.
    public func waiters() async throws(EtcdError) -> [LockEntry] { try await queued.entries() }
}

extension LockGrant {
    /// The number of the slot of a ``Semaphore``, from 0; nil for a lock.
    public var slot: Int? { hold.slot }
}
