// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A ``Barrier`` that this task has raised, until it lowers it.
public struct RaisedBarrier: FencedGrant {
    let hold: Hold
    let raisedKey: Key

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(hold) }

    /// Lowers the barrier: all that wait go on.
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
