// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Why a leadership cannot be handed to a candidate; the leader goes on leading.
public enum LeadershipTransferError: Error, Sendable, Hashable, CustomStringConvertible {
    /// No such candidate waits.
    case noCandidate(Value)
    /// A candidate of Go or `etcdctl`, with this key, waits before the chosen one.
    ///
    /// It takes the deletion of its own key for a victory, so it cannot be passed over.
    case foreignCandidate(Key, before: Value)
    /// So many candidates wait before the chosen one that one transaction cannot pass over all of them.
    case tooManyCandidates(Int, before: Value)

    /// What is in the way, in one line.
    public var description: String {
        switch self {
        case .noCandidate(let value): "no candidate \"\(value)\" waits"
        case .foreignCandidate(let key, let value): "before \"\(value)\" waits \(key), which is of another library"
        case .tooManyCandidates(let count, let value): "before \"\(value)\" wait \(count) candidates"
        }
    }
}

extension LeaderTerm {
    /// Gives the leadership up for a chosen candidate, with whom it is within a round trip.
    ///
    /// The candidates that stand before it lose their places, and stand in the queue again as the last. As with
    /// ``resign(timeout:)``, in the body of a scope the body is cancelled, and the chosen one leads once that has ended. Should it
    /// have left the queue by then, the next one leads.
    ///
    /// - Parameter candidate: What the chosen one says of itself (``LeaderElection/candidate``); of several that say the
    ///   same, the first.
    /// - Throws: ``LeadershipTransferError``, after which this one still leads; ``CoordinationLoss`` when the leadership
    ///   has ended; ``EtcdError`` when the queue cannot be read.
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
