// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The participation of one task in a round of a ``DoubleBarrier``, until it leaves.
public struct BarrierParticipation: FencedGrant {
    let hold: Hold
    let count: Int

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Tells the others that this participant is done, and waits until all of the round are.
    ///
    /// Afterwards the participation is over, whatever the outcome; if this fails or is cancelled, the round is broken for the
    /// others.
    ///
    /// - Throws: ``BarrierBroken`` when another participant of the round is gone before all were done; ``CoordinationLoss``
    ///   when this participation was lost; ``EtcdError``; `CancellationError`.
    public func leave() async throws {
        try await releasing({ await hold.release() }) {
            try await unifyingCancellation {
                try await hold.lifetime.whileHeld { [hold, count] in
                    try await setPhase(.leaving)
                    try await Self.reach(.left, count, hold.key, in: hold.queue)
                }
            }
        }
    }

    /// Gives the participation up, which breaks the round for the others; after ``leave()`` this does nothing.
    ///
    /// - Parameter timeout: How long to wait until the others know.
    public func release(timeout: Duration = .seconds(5)) async {
        await hold.release(timeout: timeout)
    }

    private func setPhase(_ phase: BarrierMember.Phase) async throws {
        let session = hold.session
        guard let entry = try await session.read([.get(hold.key)]).results.first?.entries.first else {
            throw CoordinationLoss(.keyDeleted)
        }
        let value = BarrierMember.value(count, phase, try BarrierMember(entry).round)
        // Not if all have left already, as when this is repeated.
        _ = try await session.retryingUntilKnown(
            if: [Compare.Target.modRevision(hold.key) == entry.modRevision],
            then: [.put(hold.key, value, lease: session.lease.id)]
        )
    }

    /// Follows all participants, and takes the steps that are due, until the one of `key` is in the phase `goal`.
    static func reach(_ goal: BarrierMember.Phase, _ count: Int, _ key: Key, in queue: FairQueue) async throws {
        var options = MirrorOptions()
        // An outage now is an outage like any other, so the loop waits for the first list.
        options.initialWait = .zero
        try await queue.client.withMirror(of: queue.range, options: options) { mirror in
            for try await view in mirror.views where view.revision > 0 {
                switch BarrierStep(for: key, among: try members(in: view, count), until: goal) {
                case nil: throw CoordinationLoss(.keyDeleted)
                case .arrived: return
                case .wait: continue
                case .broken:
                    let description = "one of the \(count) in \"\(queue.name)\" is gone too early"
                    throw BarrierBroken(name: "\(queue.name)", description: description)
                case .advance(let members, let phase, let round):
                    _ = try await queue.session.retryingUntilKnown(
                        if: members.map { Compare.Target.modRevision($0.key) == $0.modRevision },
                        then: members.map { .put($0.key, BarrierMember.value(count, phase, round), lease: $0.lease) }
                    )
                }
            }
        }
    }

    private static func members(in view: MirrorView, _ count: Int) throws(EtcdError) -> [BarrierMember] {
        var members: [BarrierMember] = []
        for entry in view {
            let member = try BarrierMember(entry)
            if member.count != count {
                throw EtcdError(.invalidArgument, "\(entry.key) is for a barrier of \(member.count), not \(count)")
            }
            members.append(member)
        }
        return members
    }
}
