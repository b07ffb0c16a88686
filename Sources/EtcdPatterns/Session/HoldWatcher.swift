// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Watches the keys of the holds on a session, and ends the lifetime of a hold whose key is deleted.
///
/// A watch costs as much as an acquisition, and most holds are short. So the watch of a hold begins only at the age of
/// ``patience``. One timer serves all young holds. A watch begins with a read, which shows what has happened before: a
/// deletion, also one that was compacted away, or a store that was restored.
final class HoldWatcher: Sendable {
    /// The age at which the watch of a hold begins; it may be up to a tenth less, so 225 ms.
    static let patience = Duration.milliseconds(250)

    struct Young {
        let due: ContinuousClock.Instant
        let key: Key
        let createRevision: Revision
        let lifetime: Lifetime
    }

    struct State {
        weak var session: Session?
        /// The holds that are not watched yet, the oldest first; those that have ended are removed at the next tick.
        var young: [Young] = []
        var timer: Task<Void, Never>?
        var tasks: [Int: Task<Void, Never>] = [:]
        var lastNumber = 0
        var isClosed = false
    }

    let state = Lock(State())
    private let patience: Duration

    init(patience: Duration = HoldWatcher.patience) { self.patience = patience }

    /// Sets the session, without keeping it alive.
    func begin(for session: Session) { state.withLock { $0.session = session } }

    deinit { _ = cancel() }

    /// Ends `lifetime` when the key, which was created at the revision, is deleted.
    func watch(_ key: Key, _ createRevision: Revision, _ lifetime: Lifetime) {
        let young = Young(due: .now + patience, key: key, createRevision: createRevision, lifetime: lifetime)
        state.withLock { state in
            if state.isClosed { return }
            state.young.append(young)
            if state.timer != nil { return }
            state.timer = Task { [weak self] in
                while !Task.isCancelled, let next = self?.tick() {
                    try? await Task.sleep(until: next, clock: .continuous)
                }
            }
        }
    }

    /// Runs `body` until it returns, in a task that is cancelled at the end of `lifetime`.
    func run(within lifetime: Lifetime, _ body: @escaping @Sendable () async -> Void) {
        let task = state.withLock { state -> Task<Void, Never>? in
            if state.isClosed { return nil }
            state.lastNumber += 1
            let number = state.lastNumber
            let task = Task { [weak self] in
                await body()
                self?.state.withLock { $0.tasks[number] = nil }
            }
            state.tasks[number] = task
            return task
        }
        if let task { lifetime.observe { _ in task.cancel() } }
    }

    /// Begins to watch the keys of the holds that are old enough.
    ///
    /// - Returns: The time of the next tick; nil if there is none.
    private func tick() -> ContinuousClock.Instant? {
        let (session, all) = state.withLock { state in
            defer { state.young = [] }
            return (state.session, state.young)
        }
        let now = ContinuousClock.now
        // Holds that are due soon are watched now, so that holds that were taken one after the other share a tick.
        let horizon = now + patience / 10
        var young: [Young] = []
        for hold in all where hold.lifetime.loss(at: now) == nil {
            if hold.due > horizon {
                young.append(hold)
            } else if let session {
                run(within: hold.lifetime) { await Self.watch(hold, session) }
            }
        }
        return state.withLock { state in
            state.young = young + state.young
            if state.young.isEmpty { state.timer = nil }
            return state.young.first?.due
        }
    }

    private static func watch(_ hold: Young, _ session: Session) async {
        while hold.lifetime.loss == nil, !Task.isCancelled {
            do throws(EtcdError) {
                let response = try await session.read([.get(hold.key)])
                let isThere = response.results.first?.entries.first?.createRevision == hold.createRevision
                let revision = response.header.revision
                guard isThere,
                    try await !session.client.awaitChange(in: .key(hold.key), after: revision, { $0.kind == .delete })
                else { return hold.lifetime.end(CoordinationLoss(.keyDeleted)) }
            } catch {
                // The deadline still counts; a user that may not read the key learns of a deletion from guarded writes.
                return
            }
        }
    }

    private func cancel() -> [Task<Void, Never>] {
        let tasks = state.withLock { state in
            state.isClosed = true
            state.young = []
            return Array(state.tasks.values) + [state.timer].compactMap(\.self)
        }
        for task in tasks { task.cancel() }
        return tasks
    }

    /// Ends the tasks.
    func close() async {
        for task in cancel() { await task.value }
    }
}
