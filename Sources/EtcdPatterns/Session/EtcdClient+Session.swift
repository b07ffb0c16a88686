// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension EtcdClient {
    /// Opens a session, runs `body` with it, and closes it.
    ///
    /// When the session is lost, the task of `body` is cancelled; once `body` has ended, the loss is thrown, also if
    /// `body` has returned. `body` runs in a child task, because only that can be cancelled.
    ///
    /// - Parameters:
    ///   - timeToLive: How long others have to wait for what is held here, when this process has died, in whole seconds
    ///     (rounded up).
    ///   - body: Does what needs the session.
    /// - Returns: What `body` returns.
    /// - Throws: What `body` throws; ``CoordinationLoss`` when the session was lost; ``EtcdError`` when its lease could
    ///   not be granted.
    public func withSession<Result: Sendable>(
        timeToLive: Duration = .seconds(15),
        _ body: @escaping @Sendable (Session) async throws -> Result
    ) async throws -> Result {
        let session = try await Session(self, timeToLive: timeToLive)
        do {
            let result = try await session.tenure.whileHeld { try await body(session) }
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }
}

extension EtcdClient {
    /// Waits for a change in `range` after `revision`, of the kind that `isAwaited` says, or until it cannot be known
    /// whether there was one: after a compaction, and after an interruption, in which the store may have been replaced by
    /// an older one.
    ///
    /// - Returns: Whether there was one; if not, the caller has to look again.
    @discardableResult
    func awaitChange(
        in range: KeyRange,
        after revision: Revision,
        _ isAwaited: (WatchEvent) -> Bool
    ) async throws(EtcdError) -> Bool {
        var options = WatchOptions()
        options.lane = .coordination
        options.reportsInterruptions = true
        var batches = watch(range, from: revision.next, options: options).batches.makeAsyncIterator()
        do throws(EtcdError) {
            while let batch = try await batches.next() {
                if batch.events.contains(where: isAwaited) { return true }
                guard batch.isInterruption else { continue }
                // A member that is behind may be so for a while.
                if batch.revision < revision { try? await Task.sleep(for: retry.backoff.delay(afterFailures: 1)) }
                return false
            }
        } catch {
            if error.code != .compacted { throw error }
        }
        return false
    }

    /// Repeats `operation`, which does no harm when it is done twice, until its outcome is known or the time is over.
    ///
    /// An attempt is short, so that an endpoint that does not answer leaves time for another.
    @discardableResult
    func insist<Result>(
        until deadline: ContinuousClock.Instant? = nil,
        attempt: Duration,
        _ operation: (EtcdClient) async throws(EtcdError) -> Result
    ) async throws(EtcdError) -> Result {
        var failures = 0
        while true {
            do throws(EtcdError) {
                return try await operation(with(timeout: min(attempt, deadline.map { $0 - .now } ?? attempt)))
            } catch {
                let isOver = Task.isCancelled || deadline.map { $0 <= .now } ?? false
                guard error.code == .ambiguous || error.code.isTransient, !isOver else { throw error }
            }
            failures += 1
            // A cancelled pause is noticed by the next attempt.
            try? await Task.sleep(for: retry.backoff.delay(afterFailures: failures))
        }
    }

    /// Waits for such a change in one of `ranges`.
    func awaitChange(
        in ranges: [KeyRange],
        after revision: Revision,
        _ isAwaited: @escaping @Sendable (WatchEvent) -> Bool
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for range in ranges {
                group.addTask { try await awaitChange(in: range, after: revision, isAwaited) }
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
    }
}
