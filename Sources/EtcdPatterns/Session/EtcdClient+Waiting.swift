// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs `operation`, and calls `onFailure` with its error, unless that is a cancellation.
func noting<Result>(
    _ onFailure: (EtcdError) -> Void,
    _ operation: () async throws(EtcdError) -> Result
) async throws(EtcdError) -> Result {
    do throws(EtcdError) { return try await operation() } catch {
        if error.code != .cancelled { onFailure(error) }
        throw error
    }
}

extension EtcdClient {
    /// Waits for a change in `range` after `revision` that satisfies `isAwaited`.
    ///
    /// It also returns when it cannot know whether there was one: after a compaction, and after an interruption, in which
    /// the store may have been replaced by an older one.
    ///
    /// - Returns: Whether there was such a change; if not, the caller has to look again.
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
                if batch.revision < revision { await Task.pause(for: retry.backoff.delay(afterFailures: 1)) }
                return false
            }
        } catch {
            if error.code != .compacted { throw error }
        }
        return false
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

    /// A value that is made of the entries in `range`: the current one, and then the newest whenever it is different.
    ///
    /// Each iteration has a mirror, which ends with it. It throws ``EtcdError`` or `CancellationError`.
    func values<Value: Sendable>(
        of range: KeyRange,
        isSame: @escaping @Sendable (Value, Value) -> Bool,
        _ value: @escaping @Sendable (MirrorView) -> Value
    ) -> UpdateSequence<Value, any Error> {
        UpdateSequence {
            var mirror: (owner: KeyMirror, views: MirrorViews.Iterator)?
            var last: Value?
            return {
                try await unifyingCancellation {
                    if mirror == nil {
                        let owner = try await retryingWhileUnavailable { () throws(EtcdError) in
                            try await self.mirror(of: range)
                        }
                        mirror = (owner, owner.views.makeAsyncIterator())
                    }
                    while let view = try await mirror?.views.next() {
                        let value = value(view)
                        if let last, isSame(value, last) { continue }
                        last = value
                        return value
                    }
                    return nil
                }
            }
        }
    }

    /// Repeats `operation`, which does no harm when it is done twice, until its outcome is known or the time is over.
    ///
    /// An attempt is short, so that an endpoint that does not answer leaves time for another.
    @discardableResult
    func retryingUntilKnown<Result>(
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
                guard error.mayPass, !isOver else { throw error }
            }
            failures += 1
            await Task.pause(for: retry.backoff.delay(afterFailures: failures))
        }
    }
}
