// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A barrier that one task raises and lowers, and any number of tasks wait for, in the whole cluster.
///
/// ```swift
/// let ready = try Barrier("schema-ready", on: .session(session))
/// try await ready.withRaised { _ in try await migrate() }
/// // elsewhere
/// try await ready.wait()
/// ```
///
/// A barrier that no task has raised lets all pass. If the task that has raised it dies, or loses its session, before it has
/// lowered it, the barrier is broken: those that wait get ``BarrierBroken``, until it is raised again and lowered.
///
/// A raised barrier has a key `<name>/raised`, without a lease, and the task that has raised it has a key in the queue
/// `<name>/holder/`.
public struct Barrier: Sendable {
    private var queue: NamedQueue
    var raisedKey: Key { Key(name) + "/raised" }

    /// The name: all barriers of one name are the same.
    public var name: String { queue.name }

    /// The text of the task that raises the barrier about itself; by default, the name and the number of its process.
    public var owner: Value {
        get { queue.owner }
        set { queue.owner = newValue }
    }

    /// Describes a barrier.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - source: The session on which the barrier is raised. Its time to live is the time after which those that wait
    ///     learn that the process that raised the barrier has died.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, on source: SessionSource) throws(EtcdError) {
        queue = try NamedQueue(name, "/holder", of: "barrier", on: source)
    }

    // MARK: Raising

    /// Raises the barrier, runs `body`, and lowers it.
    ///
    /// If `body` throws, or the session is lost, the barrier is not lowered: those that wait get ``BarrierBroken``.
    ///
    /// - Parameter body: Does the work that the others wait for.
    /// - Returns: The result of `body`; nil if another task has raised the barrier.
    /// - Throws: The error of `body`; ``CoordinationLoss``; ``EtcdError``; `CancellationError`.
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
    /// - Throws: ``CoordinationLoss`` when the session is lost; ``EtcdError``; `CancellationError`.
    public func raise() async throws -> RaisedBarrier? {
        guard let hold = try await queue.acquireIfAvailable(.exclusive) else { return nil }
        let raised = RaisedBarrier(hold: hold, raisedKey: raisedKey)
        do {
            // A broken barrier keeps its key, by which those that wait recognise it.
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
    ///   `deadlineExceeded` when it was not lowered in time; `CancellationError`.
    public func wait(timeout: Duration? = nil) async throws {
        let lowered: Void? = try await withTimeout(timeout) { try await pass() }
        if lowered == nil {
            throw EtcdError(.deadlineExceeded, "the barrier \"\(name)\" was not lowered within \(timeout ?? .zero)")
        }
    }

    private func pass() async throws {
        let (client, raisedKey, holders) = (queue.client, raisedKey, queue.range)
        var raising: Revision?
        while true {
            let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                try await client.transaction(then: [.get(raisedKey), .range(holders)])
            }
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
