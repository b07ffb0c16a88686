// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A barrier that one task raises and lowers, and any number of tasks wait for, in the whole cluster.
///
/// ```swift
/// let ready = try Barrier("schema-ready", on: .session(session))
/// try await ready.withRaised { _ in try await migrate() }
/// // elsewhere
/// try await ready.wait()
/// ```
///
/// A barrier that no task has raised lets all pass. If the task that has raised it dies, or loses its session, before
/// it has lowered it, the barrier is broken: waiters get ``BarrierBroken``, until it is raised again and lowered.
///
/// A raised barrier has a key `<name>/raised`, without a lease, and the task that has raised it has a key in the queue
/// `<name>/holder/`.
public struct Barrier: Sendable {
    private let queue: NamedQueue
    var raisedKey: Key { Key(name) + "/raised" }

    /// The name: all barriers of one name are the same.
    public var name: String { queue.name }

    /// The description of the task that raises the barrier; by default, the name and the number of its process.
    public var owner = NamedQueue.process

    /// Describes a barrier.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - source: The session on which the barrier is raised. Its time to live is the time after which waiters learn
    ///     that the process that raised the barrier has died.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, on source: SessionSource) throws(EtcdError) {
        queue = try NamedQueue(name, "/holder", of: "barrier", on: source)
    }

    // MARK: Raising

    /// Raises the barrier, runs `body`, and lowers it.
    ///
    /// If `body` throws, or the session is lost, the barrier is not lowered: waiters get ``BarrierBroken``.
    ///
    /// - Parameter body: Does the work that the others wait for.
    /// - Returns: The result of `body`; nil if another task has raised the barrier.
    /// - Throws: The error of `body`; ``CoordinationLoss``; ``QueueBlocked``; ``EtcdError``; `CancellationError`.
    @discardableResult
    public func withRaised<Result: Sendable>(
        _ body: @escaping @Sendable (RaisedBarrier) async throws -> Result
    ) async throws -> Result? {
        guard let raised = try await raise() else { return nil }
        return try await releasing({ await raised.release() }) {
            let result = try await raised.hold.lifetime.whileHeld { try await body(raised) }
            try await raised.lower()
            return result
        }
    }

    /// Raises the barrier, until ``RaisedBarrier/lower()``; one that is broken is raised again.
    ///
    /// - Returns: The raised barrier; nil if another task has raised it. If this is released or dropped before it is
    ///   lowered, the barrier is broken.
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``QueueBlocked`` when the key of another task that has
    ///   raised it never goes away by itself; ``EtcdError``; `CancellationError`.
    public func raise() async throws -> RaisedBarrier? {
        guard let hold = try await queue.acquireIfAvailable(.exclusive, owner) else { return nil }
        let raised = RaisedBarrier(hold: hold, raisedKey: raisedKey)
        do {
            // A broken barrier keeps its key, by which waiters recognise it.
            try await raised.change(.put(raisedKey, owner))
            return raised
        } catch {
            await raised.undoRaising()
            throw error.ofWait
        }
    }

    // MARK: Waiting

    /// Waits until the barrier is lowered; also returns if it was raised again since.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Throws: ``BarrierBroken`` when the task that raised the barrier is gone; ``EtcdError``, with the code
    ///   `deadlineExceeded` when it was not lowered in time, and `unavailable` when etcd has not answered in that time;
    ///   `CancellationError`.
    public func wait(timeout: Duration? = nil) async throws {
        let attempt = Attempt()
        if try await withTimeout(timeout, { try await pass(attempt) }) != nil { return }
        let error = attempt.timeIsOver(name, timeout ?? .zero)
        guard let busy = error as? BusyError else { throw error }
        throw EtcdError(.deadlineExceeded, "the barrier \"\(name)\" was not lowered within \(busy.waited)")
    }

    private func pass(_ attempt: Attempt) async throws {
        let (client, raisedKey, holders) = (queue.client, raisedKey, queue.range)
        var raising: Revision?
        while true {
            let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                try await noting(attempt.hindered) { () throws(EtcdError) in
                    try await client.transaction(then: [.get(raisedKey), .range(holders)])
                }
            }
            attempt.answered()
            guard let entry = response.results.first?.entries.first else { return }
            if let raising, entry.createRevision != raising { return }
            raising = entry.createRevision
            if response.results.last?.entries.isEmpty ?? true {
                let description = "\"\(entry.value)\", which has raised the barrier \"\(name)\", is gone"
                throw BarrierBroken(name: name, description: description)
            }
            try await client.awaitChange(in: [.key(raisedKey), holders], after: response.header.revision) { event in
                event.kind == .delete
            }
        }
    }
}

/// A ``Barrier`` that this task has raised, until it lowers it.
public struct RaisedBarrier: FencedGrant {
    let hold: Hold
    let raisedKey: Key

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Lowers the barrier: all waiters continue.
    ///
    /// - Throws: ``CoordinationLoss`` when it is no longer held, after which the barrier is broken, or lowered if this was
    ///   called before; ``EtcdError``; `CancellationError`.
    public func lower() async throws {
        try await unifyingCancellation { try await change(.delete(raisedKey)) }
        await release()
    }

    /// Gives the barrier up without lowering it, which breaks it; after ``lower()`` this does nothing.
    ///
    /// - Parameter timeout: How long to wait until another task can raise it.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }

    /// Changes the key of the barrier while it is held.
    func change(_ operation: TransactionOperation) async throws {
        let isDone = try await hold.lifetime.whileHeld { [hold] in
            try await hold.session.retryingUntilKnown(if: [hold.isCurrent], then: [operation]).succeeded
        }
        if !isDone { throw CoordinationLoss(.keyDeleted) }
    }

    /// Lowers the barrier if this attempt has raised it.
    func undoRaising() async {
        let session = hold.session
        let deadline = ContinuousClock.now + min(session.lease.timeToLive, session.client.timeout)
        let job = session.client.inBackground {
            let isNew = Compare.Target.createRevision(raisedKey) > fencingToken
            // If this fails, the barrier is broken, as if the process had died.
            _ = try? await session.delete(raisedKey, if: [isCurrent, isNew], until: deadline)
            await release()
        }
        await job.wait(Session.grace)
    }
}

/// A barrier is broken: it waits for a participant that is gone, so it lets no task pass.
public struct BarrierBroken: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the barrier.
    public let name: String
    /// The participant that is gone, in one line.
    public let description: String

    /// Makes an error with these properties, for tests.
    public init(name: String, description: String) {
        self.name = name
        self.description = description
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
