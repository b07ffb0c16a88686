// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Something that was acquired and is held: a lock, several locks, a slot, a leadership, a shard.
///
/// A grant is plain data that can be passed anywhere. ``isHeld`` compares the clock at each call. This is no proof: a
/// process may be stopped between the check and its consequence. Make everything that must not happen without the grant
/// depend on it: write to etcd by ``guarded(if:then:else:)``, and let other resources refuse a
/// ``FencedGrant/fencingToken`` that is lower than one they have seen.
public protocol Grant: Sendable {
    /// The library's own view of the grant.
    var basis: GrantBasis { get }
}

/// A grant that is represented by one key in etcd, with a fencing token.
public protocol FencedGrant: Grant, CustomStringConvertible {}

/// The library's own view of a ``Grant``, which only the library can make.
public struct GrantBasis: Sendable {
    let fence: any Fence
    var fences: [any Fence] { [fence] + others }
    private let others: [any Fence]
    let lifetime: Lifetime

    init(_ fence: any Fence, others: [any Fence] = [], lifetime: Lifetime? = nil) {
        self.fence = fence
        self.others = others
        self.lifetime = lifetime ?? fence.lifetime
    }
}

extension Grant {
    /// Whether it is held: compares the clock at each call.
    ///
    /// Without renewals of the lease, this turns false before the server can give it to another. If another client deletes
    /// the key, it turns false soon after that, at the earliest 225 ms after the acquisition.
    public var isHeld: Bool { basis.lifetime.loss == nil }

    /// How long it is certainly held from now on if its lease is not renewed; zero once it is lost.
    public var remaining: Duration { basis.lifetime.remaining }

    /// Waits until it is lost or released, and returns the reason.
    ///
    /// - Throws: `CancellationError`.
    public var lost: CoordinationLoss {
        get async throws { try await basis.lifetime.lost() }
    }

    /// Throws the reason if it is no longer held.
    ///
    /// - Throws: ``CoordinationLoss``.
    public func check() throws(CoordinationLoss) {
        if let loss = basis.lifetime.loss { throw loss }
    }

    /// Runs a transaction that has no effect unless the grant is held, whatever the clocks and the network do.
    ///
    /// - Parameters:
    ///   - conditions: Further conditions for `then`.
    ///   - then: Runs if all conditions hold.
    ///   - else: Runs if a condition does not hold while the grant is held.
    /// - Returns: The branch that has run, and its results.
    /// - Throws: ``CoordinationLoss`` when it is not held, after which nothing was done; ``EtcdError``, as a transaction
    ///   does, with the code `ambiguous` when the outcome is unknown, and `invalidArgument` for a transaction that writes to
    ///   the grant's own keys, after which nothing was done.
    @discardableResult
    public func guarded(
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = []
    ) async throws -> TransactionResponse {
        try await basis.fence.session.guarded(by: basis.fences, if: conditions, then: then, else: `else`)
    }
}

extension FencedGrant {
    /// The key that represents the grant, as long as it exists with ``fencingToken`` as its create revision.
    public var key: Key { basis.fence.key }

    /// The revision at which the key was created: higher than the tokens of all earlier holders.
    public var fencingToken: Revision { basis.fence.createRevision }

    /// The condition that it is held, for a transaction: the server checks it.
    ///
    /// A condition that was taken while a lock was held for writing does not hold once that is downgraded.
    public var isCurrent: Compare { basis.fence.isCurrent }

    /// The key, the token, and whether it is held, in one line.
    public var description: String {
        "\(key), token \(fencingToken), \(basis.lifetime.loss.map { "\($0)" } ?? "held")"
    }
}

/// A key that represents a grant, and that a transaction can depend on.
protocol Fence: Sendable {
    var session: Session { get }
    var key: Key { get }
    /// The revision at which the key was created: the fencing token.
    var createRevision: Revision { get }
    var lifetime: Lifetime { get }
    /// The condition for the server that it is held.
    var isCurrent: Compare { get }
    /// Ranges that a transaction must not write to.
    var reserved: [KeyRange] { get }

    /// Whether ``isCurrent`` would hold if this were the entry of the key.
    func isMet(by entry: KeyValue?) -> Bool
}

extension Session {
    /// Runs a transaction that has no effect unless all of `fences` are held.
    func guarded(
        by fences: [any Fence],
        if conditions: [Compare] = [],
        then: [TransactionOperation],
        else: [TransactionOperation] = [],
        mayWriteReserved: Bool = false
    ) async throws -> TransactionResponse {
        for range in mayWriteReserved ? [] : (then + `else`).flatMap(\.writtenRanges) {
            for reserved in fences.flatMap(\.reserved) where reserved.overlaps(range) {
                throw EtcdError(
                    .invalidArgument,
                    "a guarded transaction would write to \(range), but the keys in \(reserved) belong to the queue"
                )
            }
        }
        for loss in fences.lazy.compactMap(\.lifetime.loss) { throw loss }
        // Further conditions are nested, so that the answer tells which ones have failed.
        let inner = TransactionOperation.transaction(if: conditions, then: then, else: `else`)
        let response = try await transaction(
            if: fences.map(\.isCurrent),
            then: conditions.isEmpty ? then : [inner],
            else: fences.map { .get($0.key) }
        )
        if !response.succeeded { throw Self.refusal(of: fences, response) }
        guard !conditions.isEmpty, case .transaction(var result)? = response.results.first else { return response }
        result.header = response.header
        return result
    }

    /// The reason why fences did not hold, according to their keys; ends the lifetimes of those that are lost.
    private static func refusal(of fences: [any Fence], _ response: TransactionResponse) -> CoordinationLoss {
        var first: CoordinationLoss?
        for (fence, result) in zip(fences, response.results) where !fence.isMet(by: result.entries.first) {
            fence.lifetime.end(CoordinationLoss(.guardFailed))
            first = first ?? fence.lifetime.loss
        }
        // All are held, so one was downgraded meanwhile.
        return first ?? CoordinationLoss(.downgraded)
    }
}
