// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A barrier that a number of tasks enter together and leave together, in the whole cluster.
///
/// ```swift
/// let barrier = try DoubleBarrier("batch", count: 3, on: .session(session))
/// try await barrier.withBarrier { _ in try await work() }
/// ```
///
/// No task enters before a whole round has come, and no task leaves before all of the round are done. A task that crashes
/// while it waits to enter is not counted; the others wait for another. A task that crashes inside, or gives up, breaks the
/// round: those that leave get ``BarrierBroken``.
///
/// A task that comes when a round is complete belongs to the next round, which is independent of the one before; so a name
/// can be used again and again. Each participant has a key `<name>/shared-<lease>-<nonce>`, whose value is its phase.
public struct DoubleBarrier: Sendable {
    /// The number of participants in a round.
    public let count: Int
    private let queue: NamedQueue

    /// The name: all barriers of one name are the same.
    public var name: String { queue.name }

    /// Describes a barrier.
    ///
    /// - Parameters:
    ///   - name: The name.
    ///   - count: The number of participants in a round, from 1 to 128; the same for all.
    ///   - source: The session of each participation. Its time to live is the time after which the others learn that the
    ///     process of a participant has died.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, count: Int, on source: SessionSource) throws(EtcdError) {
        queue = try NamedQueue(name, of: "barrier", on: source)
        // etcd allows 128 conditions and operations in a transaction.
        if !(1...128).contains(count) {
            throw EtcdError(.invalidArgument, "a double barrier for \(count) participants: 1 to 128 are possible")
        }
        self.count = count
    }

    /// Enters, runs `body`, and leaves, each together with the others.
    ///
    /// If the participation is lost, the task of `body` is cancelled. If `body` throws, the round is broken for the others.
    ///
    /// - Parameters:
    ///   - timeout: How long to wait for the others to come; nil waits without a limit.
    ///   - body: Does the participant's part.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``BarrierBroken`` when another participant of the round is gone;
    ///   ``CoordinationLoss``; what ``enter(timeout:)`` throws.
    @discardableResult
    public func withBarrier<Result: Sendable>(
        timeout: Duration? = nil,
        _ body: @escaping @Sendable (BarrierParticipation) async throws -> Result
    ) async throws -> Result {
        let participation = try await enter(timeout: timeout)
        return try await releasing({ await participation.release() }) {
            let result = try await participation.hold.lifetime.whileHeld { try await body(participation) }
            try await participation.leave()
            return result
        }
    }

    /// Waits until enough participants have come.
    ///
    /// If this throws, is cancelled or runs out of time, the place is given up. If that happens at the very moment at which
    /// the others enter, the round is broken for them.
    ///
    /// - Parameter timeout: How long to wait; nil waits without a limit.
    /// - Returns: The participation, to be ended by ``BarrierParticipation/leave()``.
    /// - Throws: ``CoordinationLoss`` when the session was lost during the wait; ``EtcdError``, with the code
    ///   `deadlineExceeded` when too few have come in time, `unavailable` when etcd has not answered in that time, and
    ///   `invalidArgument` if another participant has a different ``count``; `CancellationError`.
    public func enter(timeout: Duration? = nil) async throws -> BarrierParticipation {
        let count = count
        return try await queue.waiting(timeout) { busy in
            EtcdError(.deadlineExceeded, "too few have come to \"\(name)\" within \(busy.waited)", cause: busy.cause)
        } _: { queue, isOwn in
            let key = queue.queueKey(.shared, BarrierMember.value(count, .waiting))
            _ = try await QueueKey.keep([key], on: queue.session) {
                _ = try await queue.join(key)
                try await queue.session.lifetime.whileHeld {
                    try await BarrierParticipation.reach(.inside, count, key.key, in: queue)
                }
                return true
            }
            guard let revision = key.createRevision else { return nil }
            return BarrierParticipation(hold: Hold(key, at: revision, in: queue, ownsSession: isOwn), count: count)
        }
    }
}
