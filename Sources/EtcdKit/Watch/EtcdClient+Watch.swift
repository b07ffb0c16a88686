// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Watches the keys in `range`.
    ///
    /// ```swift
    /// let now = try await client.range(.prefix("jobs/"))
    /// for try await event in client.watch(.prefix("jobs/"), from: now.header.revision.next) {
    ///     switch event.kind {
    ///     case .put: print(event.key, event.entry.value)
    ///     case .delete: print(event.key, "is gone")
    ///     }
    /// }
    /// ```
    ///
    /// Nothing happens before an iteration begins. Each iteration is a watch of its own, ended by dropping the
    /// iterator; when the task is cancelled, `next()` throws `cancelled`, and a `for` loop drops its iterator. It
    /// delivers each change once and in order, also when connections break: it resumes after the last delivered
    /// revision. It never ends by itself. It throws `compacted` if it cannot continue without a gap (see
    /// ``WatchOptions/onCompaction``), and `permissionDenied` if the user may not read the keys. While no endpoint can
    /// be reached, it keeps trying until its task is cancelled.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - revision: The first revision of interest. Nil for changes from the moment when the server begins to watch,
    ///     some time after the first `next()`; see ``withWatch(_:from:options:_:)`` for a watch that has begun.
    ///   - options: The changes to report.
    /// - Returns: The changes.
    public func watch(
        _ range: KeyRange,
        from revision: Revision? = nil,
        options: WatchOptions = WatchOptions()
    ) -> WatchSequence {
        WatchSequence(description: WatchDescription(self, range, from: revision, options))
    }

    /// Watches the keys in `range`, and runs `body` when the server has confirmed the watch.
    ///
    /// So the watch sees the changes that `body` makes. `body` runs where the caller runs. The sequence has one watch,
    /// so it is for one consumer; it ends with the scope.
    ///
    /// - Parameters:
    ///   - range: The keys.
    ///   - revision: The first revision of interest; nil for changes from now on.
    ///   - options: The changes to report.
    ///   - body: Uses the changes.
    /// - Returns: The result of `body`.
    /// - Throws: The error of `body`; ``EtcdError`` when the watch cannot begin within the client's time for a call.
    @discardableResult
    public func withWatch<Result>(
        _ range: KeyRange,
        from revision: Revision? = nil,
        options: WatchOptions = WatchOptions(),
        _ body: (WatchSequence) async throws -> Result
    ) async throws -> Result {
        let subscription = WatchSubscription(WatchDescription(self, range, from: revision, options))
        defer { subscription.stop() }
        try await subscription.begin()
        return try await body(WatchSequence(description: subscription.description, running: subscription))
    }

    /// Requests the progress of the watches of this client from the server.
    ///
    /// Watches with ``WatchOptions/reportsProgress`` that the server has confirmed get the answer as a batch without
    /// events. etcd answers when all watches that share their stream are up to date, and most versions drop a request
    /// that comes earlier: then none comes, and it is to be requested again.
    ///
    /// Before 3.4.25 and 3.5.8, etcd answers at once, and its answer may come ahead of changes that it covers: do not
    /// resume a watch from it there.
    public func requestWatchProgress() async {
        await core.watchHub.requestProgress()
    }
}
