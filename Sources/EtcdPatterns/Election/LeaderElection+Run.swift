// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension LeaderElection {
    /// Campaigns repeatedly, and runs `body` in each term, until the caller's task is cancelled.
    ///
    /// A term ends when `body` has returned, when it resigns, or when the leadership is lost, which cancels `body`.
    /// Then the next campaign begins: at once after a long term, after longer and longer pauses if terms were shorter
    /// than the time to live (``backoff``). If a campaign or `body` fails because etcd does not answer, or a campaign
    /// because a key without a lease is in the way, that is an ``Event/hindered(_:)``, and the next campaign begins.
    ///
    /// When the caller's task is cancelled, this gives the leadership up once `body` has ended, and returns.
    ///
    /// - Parameter body: Does the leader's work, in a task of its own.
    /// - Throws: The error of `body` while it leads or after it has resigned, unless it is an ``EtcdError`` that may pass,
    ///   such as `unavailable` and `ambiguous`; ``CoordinationLoss`` when a session that was given is lost; ``EtcdError``,
    ///   among its codes `permissionDenied` and `invalidArgument`.
    public func run(_ body: @escaping @Sendable (LeaderTerm) async throws -> Void) async throws {
        try await repeatTerms(nextTerm) { term in
            do {
                try await term.whileHeld(body)
            } catch let loss as CoordinationLoss where loss.reason == term.hold.lifetime.loss?.reason {
                // The leadership is lost, so the next campaign begins.
            } catch let error as EtcdError where error.mayPass {
                onEvent(.hindered(error))
            }
        }
    }

    /// Waits for one term after the other, and leads in each, until the caller's task is cancelled.
    func repeatTerms(
        _ nextTerm: (_ failures: Int) async throws -> LeaderTerm,
        _ lead: (LeaderTerm) async throws -> Void
    ) async throws {
        var shortTerms = 0
        while !Task.isCancelled {
            do {
                let term = try await nextTerm(shortTerms)
                let start = ContinuousClock.now
                try await lead(term)
                // A candidate with short terms waits longer and longer, which leaves the others more time.
                let isShort = .now - start < term.hold.session.lease.timeToLive
                shortTerms = isShort ? shortTerms + 1 : 0
            } catch {
                if let error = error.unlessCancelled { throw error }
            }
        }
    }

    /// Waits for the leadership, and repeats a campaign that fails with an error that may pass.
    ///
    /// - Throws: Also `CancellationError`.
    func nextTerm(afterFailures count: Int) async throws -> LeaderTerm {
        var failures = count
        while true {
            try await Task.sleep(for: backoff.delay(afterFailures: failures))
            try Task.checkCancellation()
            do {
                // If etcd does not answer, that is an event, and another attempt follows.
                if let term = try await enter() { return term }
            } catch {
                guard mayPass(error) else { throw error }
                onEvent(.hindered(error))
            }
            failures += 1
        }
    }

    /// Whether another attempt may succeed.
    private func mayPass(_ error: any Error) -> Bool {
        switch error {
        // The next attempt opens a new session, unless a session was given.
        case is CoordinationLoss: queue.source.shared == nil
        case let error as EtcdError: error.mayPass
        // A listener can delete the key.
        case is QueueBlocked: true
        default: false
        }
    }

    /// Campaigns repeatedly, and calls `onElected` and `onDefeated` when a term begins and ends, until the caller's
    /// task is cancelled.
    ///
    /// They are called in turn, never at once: each `onElected` is followed by one `onDefeated`, and another term begins only
    /// when that has ended. After ``LeaderTerm/resign(timeout:)``, no other candidate leads before `onDefeated` has ended.
    ///
    /// - Parameters:
    ///   - onElected: Is called when a term has begun. Its task is cancelled when the leadership is lost meanwhile.
    ///   - onDefeated: Is called when the term has ended, with the reason: `released` if it was given up, also by
    ///     cancellation. Its task is not cancelled.
    /// - Throws: As ``run(_:)`` does.
    public func run(
        onElected: @escaping @Sendable (LeaderTerm) async -> Void,
        onDefeated: @escaping @Sendable (CoordinationLoss) async -> Void
    ) async throws {
        try await run { term in
            await onElected(term)
            _ = try? await term.lost
            // Without a loss, the caller was cancelled.
            await term.resign()
            let loss = term.hold.lifetime.loss ?? CoordinationLoss(.released)
            await withoutCancellation { await onDefeated(loss) }
        }
    }

    /// An event of a candidate in ``run(_:)``.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// A campaign or the leader's work has failed with this error, such as ``QueueBlocked``; the next campaign follows.
        case hindered(any Error)
    }
}
