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

        fileprivate mutating func takeChanges(for subscriber: Int) -> MirrorSubscriber.Portion? {
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

    private func publish(_ change: MirrorChange, to content: inout Content) {
        for index in content.subscribers.indices {
            content.subscribers[index].offer(change, limit: maximumPendingChanges)
        }
    }

    /// Changes the content and wakes all tasks that wait for something.
    func update<Result>(_ body: (inout Content) -> Result) -> Result {
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
        let id = change.makeID()
        var timer: EventLoop.Timer?
        defer { if let timer { EventLoop.execute { EventLoop.cancel(timer) } } }
        while true {
            if Task.isCancelled { throw EtcdError.cancelledTask }
            let (result, ending, updates) = content.withLock { (body(&$0), $0.ending, $0.updates) }
            if let result { return result }
            if let ending { throw ending }
            let isOver = { deadline.map { .now >= $0 } ?? false }
            if isOver() { return nil }
            if let deadline, timer == nil {
                timer = await EventLoop.schedule(at: deadline) { [change] in change.wake(id) }
            }
            await change.wait(as: id) { isOver() || content.withLock { $0.updates != updates } }
        }
    }

    var views: MirrorViews {
        MirrorViews {
            var last: MirrorVersion?
            return { () throws(EtcdError) in
                let next = try await self.wait { content in
                    content.state.isListed && content.version != last ? (content.version, content.view) : nil
                }
                last = next?.0
                return next?.1
            }
        }
    }

    var changes: MirrorChanges {
        MirrorChanges {
            let subscription = Subscription(self)
            var changes: ArraySlice<MirrorChange> = []
            return { () throws(EtcdError) in
                while changes.isEmpty {
                    let portion = try await self.wait { $0.takeChanges(for: subscription.id) }
                    changes = (portion?.changes ?? [])[...]
                }
                return changes.popFirst()
            }
        }
    }

    /// Ends with its iteration.
    private final class Subscription: Sendable {
        private let feed: MirrorFeed
        let id: Int

        init(_ feed: MirrorFeed) {
            self.feed = feed
            id = feed.content.withLock { content in
                content.nextSubscriber += 1
                content.subscribers.append(MirrorSubscriber(id: content.nextSubscriber))
                return content.nextSubscriber
            }
        }

        deinit { feed.content.withLock { content in content.subscribers.removeAll { $0.id == id } } }
    }
}

/// The changes that wait for one consumer: a value that keeps no more than a limit.
struct MirrorSubscriber {
    /// The changes that the consumer gets next.
    enum Portion {
        case changes([MirrorChange])
        /// The difference between two states, which is for the consumer to find.
        case difference(from: SortedEntries, to: MirrorView)

        var changes: [MirrorChange] {
            switch self {
            case .changes(let changes): changes
            case .difference(let old, let new):
                [MirrorChange(from: old, to: new.content, at: new.revision)]
            }
        }
    }

    let id: Int
    /// The entries that the consumer knows.
    private var seen = SortedEntries()
    private var pending: [MirrorChange] = []
    private var pendingCount = 0
    /// There is more than may wait; so it is at first, when the consumer knows nothing.
    private var isBehind = true

    init(id: Int) { self.id = id }

    mutating func offer(_ change: MirrorChange, limit: Int) {
        if isBehind || change.isEmpty { return }
        pending.append(change)
        pendingCount += change.count
        guard pendingCount > limit else { return }
        isBehind = true
        pending = []
    }

    /// Takes all that is new up to `current`; nil if there is nothing.
    mutating func take(_ current: MirrorView) -> Portion? {
        if !isBehind && pending.isEmpty { return nil }
        defer {
            seen = current.content
            pending = []
            pendingCount = 0
            isBehind = false
        }
        return isBehind ? .difference(from: seen, to: current) : .changes(pending)
    }
}
