// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A shard that this member owns, or has owned: plain data, which may go anywhere.
///
/// Whether it is still owned, ``isOwned`` tells at each call. That is as good as the clock, but not proof: a process may be
/// stopped between the question and its consequence. What nobody but the owner may do is made to depend on it: writes to
/// etcd by ``guarded(if:then:else:)``, others by a resource that refuses a ``fencingToken`` lower than one it has seen for
/// this shard.
public struct Shard: Sendable, Identifiable {
    /// The name of the shard.
    public let id: Key
    /// The key that stands for the ownership, as long as it exists with ``fencingToken`` as its create revision.
    public let key: Key
    /// The revision in which the ownership began: higher than those of all who have owned the shard before.
    public let fencingToken: Revision
    let tenure: Tenure
    let session: Session

    /// The shard is owned: compares the clock at each call.
    ///
    /// For want of renewals, it turns false before another can own the shard.
    public var isOwned: Bool { tenure.loss == nil }

    /// How long the shard is certainly owned from now on, if the lease is not renewed; zero once it is lost.
    public var remaining: Duration { max(.zero, (tenure.deadline ?? .now) - .now) }

    /// Waits until the shard is lost or handed off, and tells why.
    ///
    /// - Throws: ``EtcdError`` with the code `cancelled`.
    public var lost: CoordinationLoss {
        get async throws(EtcdError) { try await tenure.lost() }
    }

    /// The condition that the shard is owned, for a transaction: the server sees to it.
    public var isCurrent: Compare { Compare.Target.createRevision(key) == fencingToken }

    /// Throws the reason if the shard is not owned any more.
    ///
    /// - Throws: ``CoordinationLoss``.
    public func check() throws(CoordinationLoss) {
        if let loss = tenure.loss { throw loss }
    }

    /// Runs a transaction that has no effect unless the shard is owned: whatever the clocks and the network do.
    ///
    /// - Parameters:
    ///   - conditions: What else must hold for `then` to run.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if one does not, while the shard is owned.
    /// - Returns: Which branch has run, and its results.
    /// - Throws: ``CoordinationLoss`` when the shard is not owned, after which nothing was done; ``EtcdError``, as a
    ///   transaction does, and with the code `ambiguous` when the outcome is unknown.
    @discardableResult
    public func guarded(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws -> TransactionResponse {
        let guarding = Guard(key: key, tenure: tenure, condition: isCurrent) { [fencingToken] entry in
            entry?.createRevision == fencingToken
        }
        return try await session.guarded(by: [guarding], if: conditions, then: then, else: `else`)
    }
}

/// Who owns a shard, as the store has it.
public struct ShardOwner: Sendable, Hashable {
    /// The name of the shard.
    public let shard: Key
    /// The ID of the member that owns it; nil if none does.
    public let member: Key?
    /// The revision in which the ownership began; nil if nobody owns the shard.
    public let fencingToken: Revision?
}
