// SPDX-License-Identifier: Apache-2.0

import EtcdKit

@testable import PatternsWorker

/// The answers to the workers' increments, and the increments that the store has kept.
struct CounterHistory: Sendable {
    /// By worker.
    let events: [[WorkerEvent]]
    /// All values that the counter had, in their order.
    let changes: [CounterChange]

    /// Reads the changes from the store, whose history must be complete.
    init(_ events: [[WorkerEvent]], of name: Key, _ client: EtcdClient) async throws {
        let key = name + "-value"
        var changes: [CounterChange] = []
        if let last = try await client.get(key) {
            for try await event in client.watch(.key(key), from: last.createRevision) {
                if let change = CounterChange(event.entry) { changes.append(change) }
                if event.revision == last.modRevision { break }
            }
        }
        self.init(events: events, changes: changes)
    }

    init(events: [[WorkerEvent]], changes: [CounterChange]) {
        self.events = events
        self.changes = changes
    }

    // MARK: Figures

    var final: Int { changes.last?.value ?? 0 }
    var acknowledged: Set<String> { operations(.acknowledged) }
    var refused: Set<String> { operations(.refused) }
    /// Increments whose outcome no worker has survived to report.
    var unresolved: Set<String> { operations(.attempted).subtracting(acknowledged).subtracting(refused) }
    var done: Set<String> { Set(changes.map(\.operation)) }
    /// How many increments have gone from a value that was not the last any more.
    var lostIncrements: Int {
        zip([0] + changes.map(\.value), changes.map(\.value)).count { $0 + 1 != $1 }
    }

    /// How many writes were refused although they had been sent: by the guard, at the server.
    private var refusedLate: Int {
        let attempts = events.joined().filter { $0.kind == .attempted }
        let times = Dictionary(attempts.map { ($0.operation, $0.time) }, uniquingKeysWith: max)
        return events.joined().count { $0.kind == .refused && $0.time - (times[$0.operation] ?? $0.time) > 0.5 }
    }

    private func operations(_ kind: WorkerEvent.Kind) -> Set<String> {
        Set(events.joined().filter { $0.kind == kind }.compactMap(\.operation))
    }

    var summary: String {
        let unknown = events.joined().count { $0.text == WorkerEvent.foundOut }
        return """
            final value \(final), \(acknowledged.count) acknowledged, \(refused.count) refused, \
            \(refusedLate) of them when they came late, \
            \(unresolved.count) unresolved of which \(unresolved.intersection(done).count) were done; \
            \(unknown) outcomes were unknown at first; \(lostIncrements) increments lost
            """
    }

    // MARK: Rules

    enum Rule: String, Sendable {
        case noIncrementIsLost, acknowledgedIsDone, refusedIsNotDone, doneIsAttemptedOnce, finalIsTheSum
        /// An unknown outcome was left by a process that was killed, one by each.
        case onlyTheDeadLeaveOpen
        /// No worker believed that it held the lock when one with a higher token had it already.
        case oneHolderAtATime
    }

    var violations: Set<Rule> {
        var broken: Set<Rule> = []
        if lostIncrements > 0 { broken.insert(.noIncrementIsLost) }
        if !acknowledged.isSubset(of: done) { broken.insert(.acknowledgedIsDone) }
        if !refused.isDisjoint(with: done) { broken.insert(.refusedIsNotDone) }
        if done.count != changes.count || !done.isSubset(of: operations(.attempted)) {
            broken.insert(.doneIsAttemptedOnce)
        }
        if final != acknowledged.union(unresolved.intersection(done)).count { broken.insert(.finalIsTheSum) }
        for worker in events {
            let attempted = worker.filter { $0.kind == .attempted }.compactMap(\.operation)
            if !unresolved.isDisjoint(with: attempted.dropLast()) { broken.insert(.onlyTheDeadLeaveOpen) }
        }
        if !Self.isExclusive(events) { broken.insert(.oneHolderAtATime) }
        return broken
    }

    /// Whether no worker believed that it held the lock after one with a higher token had reported it.
    static func isExclusive(_ events: [[WorkerEvent]]) -> Bool {
        let all = events.joined().filter { $0.token != nil }.sorted { $0.time < $1.time }
        var highest: Int64 = 0
        for event in all {
            guard let token = event.token else { continue }
            if event.kind == .acquired { highest = max(highest, token) }
            if event.kind == .held && token < highest { return false }
        }
        return true
    }
}
