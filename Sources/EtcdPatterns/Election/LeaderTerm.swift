// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A leadership, from its beginning to its loss or the resignation.
///
/// The token is the number of the term. A ``FenceGate`` at another server refuses requests of earlier terms.
public struct LeaderTerm: FencedGrant, HoldGrant {
    let hold: Hold

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Replaces the value of the leader, which is ``LeaderElection/candidate`` at first, for readers and observers.
    ///
    /// - Parameter value: The new value, such as an endpoint.
    /// - Throws: ``CoordinationLoss`` when the leadership has ended; ``EtcdError``, with the code `ambiguous` when the
    ///   outcome is unknown.
    public func proclaim(_ value: Value) async throws {
        let put = TransactionOperation.put(key, value, keepingLease: true)
        _ = try await hold.session.guarded(by: [hold], then: [put], mayWriteReserved: true)
    }

    // MARK: The end

    /// Gives the leadership up, for the next candidate.
    ///
    /// In the body of ``LeaderElection/lead(timeout:_:)`` or ``LeaderElection/run(_:)``, this cancels the body, and the next
    /// candidate leads once the body has ended. Elsewhere, end the leader's work before; the next candidate leads when this
    /// returns. Otherwise it is like ``LockGrant/release(timeout:)``.
    ///
    /// - Parameter timeout: How long to wait until the next one can lead; it has no effect in the body of a scope.
    public func resign(timeout: Duration = .seconds(5)) async {
        await hold.stepDown(timeout: timeout)
    }

    /// Transfers the leadership to a chosen candidate, which leads within a round trip.
    ///
    /// The candidates before it lose their places, and join the queue again at the end. As with ``resign(timeout:)``,
    /// this cancels the body of a scope, and the chosen candidate leads once that has ended. If it has left the queue
    /// by then, the next one leads.
    ///
    /// - Parameter candidate: The description of the chosen candidate (``LeaderElection/candidate``); of several with
    ///   the same one, the first is taken.
    /// - Throws: ``LeadershipTransferError``, after which this candidate still leads; ``CoordinationLoss`` when the
    ///   leadership has ended; ``EtcdError`` when the queue cannot be read.
    public func transfer(to candidate: Value) async throws {
        let queue = hold.queue
        let entries = try await queue.client.queueEntries(in: queue.range)
        try check()
        let waiting = entries.filter { $0.createRevision > fencingToken }
        guard let place = waiting.firstIndex(where: { $0.value == candidate }) else {
            throw LeadershipTransferError.noCandidate(candidate)
        }
        let between = waiting[..<place].map(\.key)
        if let foreign = between.first(where: { !queue.isNative($0) }) {
            throw LeadershipTransferError.foreignCandidate(foreign, before: candidate)
        }
        if between.count > Handover.maximumDeletions {
            throw LeadershipTransferError.tooManyCandidates(between.count, before: candidate)
        }
        await hold.stepDown(Handover(from: key, at: fencingToken, to: waiting[place], past: between))
    }
}

/// A leadership could not be transferred to a candidate; the leader keeps leading.
///
/// More may be added, so a `switch` over these errors needs a `default`.
public enum LeadershipTransferError: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// No such candidate waits.
    case noCandidate(Value)
    /// A candidate of Go or `etcdctl`, with this key, waits before the chosen one.
    ///
    /// It would interpret the deletion of its own key as its election, so it cannot be passed over.
    case foreignCandidate(Key, before: Value)
    /// So many candidates wait before the chosen one that one transaction cannot pass over all of them.
    case tooManyCandidates(Int, before: Value)

    /// The obstacle in one line.
    public var description: String {
        switch self {
        case .noCandidate(let value): "no candidate \"\(value)\" waits"
        case .foreignCandidate(let key, let value): "\(key) of another library waits before \"\(value)\""
        case .tooManyCandidates(let count, let value):
            "\(count) candidates wait before \"\(value)\": at most \(Handover.maximumDeletions) can be passed over"
        }
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
