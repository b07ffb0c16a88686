// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The difference between two views of a discovery.
struct DiscoveryStep: Sendable {
    let old: ServiceView?
    let new: ServiceView
    private let changes: [ChangeLog.Change]
    /// Whether `changes` has all changes between the two.
    private let isComplete: Bool

    init(from old: ServiceView?, to new: ServiceView, _ log: ChangeLog) {
        self.old = old
        self.new = new
        isComplete = old.map { log.isComplete(after: $0.logged) } ?? false
        changes = old.map { Array(log.changes(after: $0.logged)) } ?? []
    }

    /// The instances that differ, each as it was and as it is, in the order of their IDs.
    var differences: [(old: KnownInstance?, new: KnownInstance?)] {
        touched.compactMap { id in
            let (before, now) = (old?.known[id], new.known[id])
            return before == nil && now == nil || now?.isSame(as: before) == true ? nil : (before, now)
        }
    }

    /// The instances that may differ, in the order of their IDs.
    var touched: [Key] {
        if isComplete { return Set(changes.map(\.id)).sorted() }
        var ids = Set(new.known.lazy.map(\.key))
        if let old { ids.formUnion(old.known.lazy.map(\.key)) }
        return ids.sorted()
    }

    /// The events that lead from the old view, or from nothing, to the new one; instances that are gone come first.
    var events: [ServiceEvent] {
        let differences = differences
        let reasons = Dictionary(changes.map { ($0.id, $0.departure) }) { first, last in last ?? first }
        var events: [ServiceEvent] = []
        for case (let old?, nil) in differences {
            let reason = (reasons[old.key] ?? nil) ?? .expired
            events.append(.removed(old.instance, old.instance.status == .draining ? .deregistered : reason))
        }
        for case (let old, let new?) in differences {
            let instance = new.instance
            if let old {
                if old.instance != instance { events.append(.updated(instance, previous: old.instance)) }
            } else {
                events.append(.added(instance))
            }
            if new.isSuspect, old?.isSuspect != true { events.append(.suspected(instance)) }
            if old?.isSuspect == true, !new.isSuspect { events.append(.confirmed(instance)) }
            if old?.isHealthy ?? true != new.isHealthy {
                events.append(.healthChanged(instance, isHealthy: new.isHealthy))
            }
        }
        return events
    }
}

/// A follower of a discovery, from one view to the next.
struct DiscoveryCursor: Sendable {
    let feed: DiscoveryFeed
    private(set) var last: ServiceView?

    /// Waits for a newer view, and returns the step to it.
    ///
    /// - Throws: `CancellationError`; the ``EtcdError`` that has ended the discovery.
    mutating func next() async throws -> DiscoveryStep {
        let last = last
        let step = try await feed.wait { content in
            content.state.version == last?.version ?? 0 ? nil : content.state.step(from: last)
        }
        self.last = step.new
        return step
    }
}

/// The instances that have changed lately, so that followers need not compare all instances.
struct ChangeLog: Sendable {
    struct Change: Sendable {
        /// The bytes of an instance's ID.
        let id: Key
        /// How the instance has left; nil if it is there.
        let departure: ServiceEvent.Departure?
    }

    /// The number of changes that are remembered at least, for slow followers.
    static let memory = 1000

    private var changes: [Change] = []
    /// The number of changes that are forgotten.
    private var start = 0

    /// The number of changes so far.
    var end: Int { start + changes.count }

    mutating func append(_ change: Change) {
        changes.append(change)
        if changes.count < 2 * Self.memory { return }
        start += changes.count - Self.memory
        changes.removeFirst(changes.count - Self.memory)
    }

    /// The remembered changes after the first `position` ones.
    func changes(after position: Int) -> ArraySlice<Change> { changes.dropFirst(max(0, position - start)) }

    /// Whether all changes after the first `position` ones are remembered.
    func isComplete(after position: Int) -> Bool { position >= start }
}
