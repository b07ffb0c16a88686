// SPDX-License-Identifier: Apache-2.0

/// The position of a view in the order of a mirror's views, which rises even if the store is restored.
package struct MirrorVersion: Sendable, Equatable, Comparable {
    let list: Int
    let revision: Revision

    package static func < (left: Self, right: Self) -> Bool {
        (left.list, left.revision) < (right.list, right.revision)
    }
}

/// The state of a mirror, shared by its readers and the task that keeps it current.
final class MirrorFeed: Sendable {
    struct Content {
        var state: MirrorState
        /// The view has all that was in the store then; nil before the first list.
        var currentAsOf: ContinuousClock.Instant?
        /// How long the mirror waits between two checks.
        var checkPause: Duration
        /// When the first list was complete.
        var listedSince: ContinuousClock.Instant?
        /// The entries must be listed anew.
        var isListDue = false
        /// Why there will be no more changes.
        var ending: EtcdError?
        fileprivate var subscribers: [MirrorSubscriber] = []
        fileprivate var nextSubscriber = 0
        /// Counts the changes of all of this.
        fileprivate var updates = 0

        var view: MirrorView { state.view }
        var version: MirrorVersion { MirrorVersion(list: state.list, revision: state.view.revision) }

        /// Nothing has proved for the time of three checks that the view is current.
        var isStale: Bool {
            guard ending == nil, let currentAsOf else { return true }
            return currentAsOf.duration(to: .now) > max(checkPause * 3, .seconds(1))
        }

        mutating func takeChanges(for subscriber: Int) -> MirrorSubscriber.Portion? {
            guard state.isListed, let index = subscribers.firstIndex(where: { $0.id == subscriber }) else { return nil }
            return subscribers[index].take(state.applied)
        }
    }

    private let content: Lock<Content>
    private let change = AsyncCondition()
    private let maximumPendingChanges: Int

    init(_ range: KeyRange, _ options: MirrorOptions) {
        content = Lock(Content(state: MirrorState(range), checkPause: options.checkInterval.bounded))
        maximumPendingChanges = options.maximumPendingChanges
    }

    func read<Result>(_ body: (Content) -> Result) -> Result {
        content.withLock { body($0) }
    }

    // MARK: The follower's side

    /// Applies the changes of a revision.
    ///
    /// - Returns: Whether they follow the present state.
    func apply(_ batch: WatchBatch) -> Bool {
        update { content in
            guard let change = content.state.apply(batch) else { return false }
            publish(change, to: &content)
            return true
        }
    }

    /// Takes over a list that was begun at `instant`.
    func replace(with entries: SortedEntries, at header: ResponseHeader, asOf instant: ContinuousClock.Instant) {
        update { content in
            publish(content.state.replace(with: entries, at: header), to: &content)
            content.currentAsOf = instant
            content.listedSince = content.listedSince ?? .now
            content.isListDue = false
        }
    }

    /// Judges an answer by `judgement` that was asked for at `instant`.
    func judge(
        askedAt instant: ContinuousClock.Instant,
        _ judgement: (inout MirrorState) -> MirrorState.Verdict
    ) -> MirrorState.Verdict {
        update { content in
            let verdict = judgement(&content.state)
            switch verdict {
            case .current: content.currentAsOf = max(content.currentAsOf ?? instant, instant)
            case .restored: content.isListDue = true
            case .behind, .outdated, .unlisted: break
            }
            return verdict
        }
    }

    /// Has the entries listed anew, unless they were since the inquiry.
    func requireList(_ inquiry: MirrorState.Inquiry) {
        update { if $0.state.isOf(inquiry) { $0.isListDue = true } }
    }

    /// Takes note of how long the mirror waits until the next check.
    func pauseChecks(for pause: Duration) {
        update { $0.checkPause = pause }
    }

    /// Ends the mirror; only the first reason counts.
    func end(_ error: EtcdError) {
        update { $0.ending = $0.ending ?? error }
    }

    private func publish(_ change: MirrorChange, to content: inout Content) {
        for index in content.subscribers.indices {
            content.subscribers[index].offer(change, limit: maximumPendingChanges)
        }
    }

    /// Changes the content and wakes all tasks that wait for something.
    private func update<Result>(_ body: (inout Content) -> Result) -> Result {
        let result = content.withLock { content in
            content.updates += 1
            return body(&content)
        }
        change.wakeAll()
        return result
    }

    // MARK: The readers' side

    /// Waits until `body` returns something, and no longer than until `deadline`.
    ///
    /// - Returns: The result of `body`; nil after the deadline.
    /// - Throws: Why the mirror has ended, or `cancelled`.
    func wait<Result>(
        until deadline: ContinuousClock.Instant? = nil,
        for body: (inout Content) -> Result?
    ) async throws(EtcdError) -> Result? {
        if let deadline {
            EventLoop.execute { [change] in _ = EventLoop.schedule(at: deadline) { change.wakeAll() } }
        }
        while true {
            if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
            let (result, ending, updates) = content.withLock { (body(&$0), $0.ending, $0.updates) }
            if let result { return result }
            if let ending { throw ending }
            let isOver = { deadline.map { .now >= $0 } ?? false }
            if isOver() { return nil }
            await change.wait { isOver() || content.withLock { $0.updates != updates } }
        }
    }

    func subscribe() -> Int {
        content.withLock { content in
            content.nextSubscriber += 1
            content.subscribers.append(MirrorSubscriber(id: content.nextSubscriber))
            return content.nextSubscriber
        }
    }

    func unsubscribe(_ id: Int) {
        content.withLock { content in content.subscribers.removeAll { $0.id == id } }
    }
}
