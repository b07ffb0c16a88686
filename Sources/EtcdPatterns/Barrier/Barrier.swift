// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A gate that one task closes and opens, and any number wait for, in the whole cluster.
///
/// ```swift
/// let ready = try Barrier("schema-ready", session: session)
/// try await ready.whileClosed { _ in try await migrate() }
/// // elsewhere
/// try await ready.wait()
/// ```
///
/// A gate that nobody has closed is open. If whoever has closed it dies, or loses its session, before it has opened it, it
/// does not open: those who wait get ``BarrierBroken``, until someone closes it anew and opens it.
///
/// While it is closed there is `<name>/closed`, which has no lease, and `<name>/closer/`, where its closer stands as the
/// holder of a lock.
public struct Barrier: Sendable {
    /// Where the gate is: all gates of one name are the same.
    public let name: Key
    private var closer: QueuedLock
    private var closed: Key { name + "/closed" }

    /// What the closer says of itself; by default, the name and the number of its process.
    public var owner: Value {
        get { closer.owner }
        set { closer.owner = newValue }
    }

    /// A gate that is closed on a session.
    ///
    /// - Parameters:
    ///   - name: Where the gate is.
    ///   - session: The session.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, session: Session) throws(EtcdError) {
        try self.init(name, .shared(session))
    }

    /// A gate that has a session of its own each time it is closed; for those who only wait, too.
    ///
    /// - Parameters:
    ///   - name: Where the gate is.
    ///   - client: The way to the cluster.
    ///   - timeToLive: How long those who wait do not hear of it when the closer's process has died, in whole seconds
    ///     (rounded up).
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, client: EtcdClient, timeToLive: Duration = .seconds(15)) throws(EtcdError) {
        try self.init(name, .own(client, timeToLive: timeToLive))
    }

    private init(_ name: Key, _ source: SessionSource) throws(EtcdError) {
        try name.checkName(of: "barrier")
        self.name = name
        closer = try QueuedLock(name + "/closer", source)
    }

    // MARK: Closing

    /// Closes the gate, runs `body`, and opens it.
    ///
    /// Where `body` throws, or the session is lost, the gate does not open: those who wait get ``BarrierBroken``.
    ///
    /// - Parameter body: Does what the others have to wait for.
    /// - Returns: What `body` returns; nil if another keeps the gate closed already.
    /// - Throws: What `body` throws; ``CoordinationLoss``; ``EtcdError``.
    @discardableResult
    public func whileClosed<Result: Sendable>(
        _ body: @escaping @Sendable (LockGrant) async throws -> Result
    ) async throws -> Result? {
        guard let grant = try await close() else { return nil }
        do {
            let result = try await grant.hold.tenure.whileHeld { try await body(grant) }
            try await open(grant)
            return result
        } catch {
            await grant.release()
            throw error
        }
    }

    /// Closes the gate, until ``open(_:)``; one that is broken is closed again.
    ///
    /// - Returns: What the gate is opened with; nil if another keeps it closed already. To release it, or to drop it, breaks
    ///   the gate.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``.
    public func close() async throws -> LockGrant? {
        guard let grant = try await closer.acquireIfAvailable(.exclusive) else { return nil }
        let (closed, owner) = (closed, owner)
        do {
            let isDone = try await grant.hold.tenure.whileHeld {
                // A gate that was broken keeps its key, by which those who wait know it.
                let put = TransactionOperation.put(closed, owner)
                return try await grant.hold.queue.session.settle(if: [grant.isCurrent], then: [put]).succeeded
            }
            if isDone { return grant }
            throw CoordinationLoss(.keyDeleted)
        } catch {
            await undoClosing(with: grant)
            throw error
        }
    }

    /// Opens the gate if it was this attempt that has closed it.
    private func undoClosing(with grant: LockGrant) async {
        let (closed, session) = (closed, grant.hold.queue.session)
        let deadline = ContinuousClock.now + min(session.lease.timeToLive, session.client.timeout)
        let job = session.client.inBackground {
            let isNew = Compare.Target.createRevision(closed) > grant.fencingToken
            // Where this fails, the gate is broken, as if the closer had died.
            _ = try? await session.delete(closed, if: [grant.isCurrent, isNew], until: deadline)
            await grant.release()
        }
        await job.wait(Session.grace)
    }

    /// Opens the gate: all who wait go on.
    ///
    /// - Parameter grant: What ``close()`` has returned.
    /// - Throws: ``CoordinationLoss`` when it is not held any more, after which the gate is broken, or open if the call was
    ///   made before; ``EtcdError``, with the code `invalidArgument` for a grant of something else.
    public func open(_ grant: LockGrant) async throws {
        guard grant.hold.queue.name == closer.name else {
            throw EtcdError(.invalidArgument, "\(grant.key) does not keep the gate \"\(name)\" closed")
        }
        let closed = closed
        let isDone = try await grant.hold.tenure.whileHeld {
            try await grant.hold.queue.session.settle(if: [grant.isCurrent], then: [.delete(closed)]).succeeded
        }
        if !isDone { throw CoordinationLoss(.keyDeleted) }
        await grant.release()
    }

    // MARK: Waiting

    /// Waits until the gate is open; one that was opened and closed again meanwhile has been open.
    ///
    /// - Parameter timeout: How long to wait; nil for as long as it takes.
    /// - Throws: ``BarrierBroken`` when whoever has closed the gate is gone; ``EtcdError``, with the code
    ///   `deadlineExceeded` when it was not open in time.
    public func wait(timeout: Duration? = nil) async throws {
        let isOpen: Bool? = try await withTimeout(timeout) {
            try await pass()
            return true
        }
        if isOpen == nil {
            throw EtcdError(.deadlineExceeded, "the gate \"\(name)\" was not open within \(timeout ?? .zero)")
        }
    }

    private func pass() async throws {
        let (client, closed, closers) = (closer.source.client, closed, KeyRange.prefix(closer.name + "/"))
        var closing: Revision?
        while true {
            let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                try await client.transaction(then: [.get(closed), .range(closers)])
            }
            guard let entry = response.results.first?.entries.first else { return }
            if let closing, entry.createRevision != closing { return }
            closing = entry.createRevision
            if response.results.last?.entries.isEmpty ?? true {
                throw BarrierBroken(
                    name: name,
                    description: "\"\(entry.value)\", who has closed the gate \"\(name)\", is gone without opening it"
                )
            }
            try await client.awaitChange(in: [.key(closed), closers], after: response.header.revision) { event in
                event.kind == .delete
            }
        }
    }
}
