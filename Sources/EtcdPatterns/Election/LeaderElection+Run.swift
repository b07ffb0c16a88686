// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension LeaderElection {
    /// Campaigns for ever, and runs `body` in each term.
    ///
    /// A term ends when `body` has returned, when it resigns, or when the leadership is lost, by which `body` is
    /// cancelled. Then the next candidacy begins: at once after a long term, later and later after terms that were shorter
    /// than the time to live (``backoff``). A candidacy that fails for want of a cluster, or
    /// since a key without a lease is in the way, is told to ``onEvent``, and tried again.
    ///
    /// - Parameter body: Does what the leader does, in a child task.
    /// - Throws: What `body` throws while it leads, after which the leadership is given up; ``CoordinationLoss`` when a
    ///   session that was given is lost; ``EtcdError``, among its codes `cancelled`, `permissionDenied` and
    ///   `invalidArgument`, as ``campaign(timeout:)`` does.
    public func run(_ body: @escaping @Sendable (LeaderTerm) async throws -> Void) async throws {
        var shortTerms = 0
        while true {
            let term = try await nextTerm(afterFailures: shortTerms)
            let start = ContinuousClock.now
            do {
                try await term.whileLeading(body)
            } catch let loss as CoordinationLoss where loss.reason == term.hold.tenure.loss?.reason {
                // The leadership is gone, which is what the next candidacy is for.
            } catch {
                // The next candidacy notices the cancellation, too.
                if let error = error.unlessCancelled { throw error }
            }
            shortTerms = term.isShort(since: start) ? shortTerms + 1 : 0
        }
    }

    /// Waits for the leadership, through all that another attempt may overcome.
    func nextTerm(afterFailures count: Int) async throws -> LeaderTerm {
        var failures = count
        while true {
            // A cancelled pause is noticed by the candidacy.
            try? await Task.sleep(for: backoff.delay(afterFailures: failures))
            if let term = try await campaignUnlessHindered() { return term }
            failures += 1
        }
    }

    /// Waits for the leadership.
    ///
    /// - Returns: The term; nil where it may be had by another attempt.
    private func campaignUnlessHindered() async throws -> LeaderTerm? {
        do {
            try Task.checkCancellation()
            // An etcd that is away is told of, and comes back to a new attempt.
            return try await enter(Attempt(), waitsForEtcd: false)
        } catch let loss as CoordinationLoss {
            // The next attempt has another session, if it was not given.
            if case .shared = source { throw loss }
            onEvent(.hindered(loss))
            return nil
        } catch let error as EtcdError where error.code == .ambiguous || error.code.isTransient {
            onEvent(.hindered(error))
            return nil
        } catch let error as EtcdError {
            throw error
        } catch let error as QueueBlocked {
            // A listener can delete the key.
            onEvent(.hindered(error))
            return nil
        } catch {
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }

    /// Campaigns for ever, and tells when a term begins and ends.
    ///
    /// Both are called in turns, never at once: each `onElected` is followed by one `onDefeated`, and another term begins
    /// only when that has ended. After ``LeaderTerm/resign(timeout:)``, nobody else leads before `onDefeated` has ended.
    ///
    /// - Parameters:
    ///   - onElected: A term has begun. Its task is cancelled when the leadership is lost meanwhile.
    ///   - onDefeated: The term has ended, for this reason: `released` if it was given up, by cancellation too. Its task
    ///     is not cancelled.
    /// - Throws: As ``run(_:)`` does.
    public func run(
        onElected: @escaping @Sendable (LeaderTerm) async -> Void,
        onDefeated: @escaping @Sendable (CoordinationLoss) async -> Void
    ) async throws {
        try await run { term in
            await onElected(term)
            _ = try? await term.lost
            // Without a loss, it is the caller that was cancelled.
            await term.resign()
            let loss = term.hold.tenure.loss ?? CoordinationLoss(.released)
            await shielded { await onDefeated(loss) }
        }
    }
}

extension LeaderTerm {
    /// Whoever has such terms again and again leaves the others more time.
    func isShort(since start: ContinuousClock.Instant) -> Bool { .now - start < hold.queue.session.lease.timeToLive }
}

extension Error {
    /// The error, if it is not the consequence of this task's cancellation.
    var unlessCancelled: (any Error)? {
        guard Task.isCancelled else { return self }
        if self is CancellationError { return nil }
        if let error = self as? EtcdError, error.code == .cancelled { return nil }
        return self
    }
}
