// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Checks a history against the guarantees of the client.
struct HistoryChecker {
    enum Rule: Int, Sendable, CaseIterable {
        /// Every acknowledged write is in the store's history, where the acknowledgement says.
        case acknowledgedWritesHappened = 1
        /// No write has happened twice.
        case noWriteHappenedTwice
        /// A linearizable read sees a state of the store, not older than the state known when the read began.
        case readsNeverGoBack
        /// Each watcher has seen each change once and in order.
        case watchersSawEverything
        /// No lease was gone while the client reported it alive.
        case liveLeasesExisted
        /// No write that was reported as failed has happened.
        case failedWritesDidNotHappen
        /// All works again soon after the faults.
        case recoveryIsQuick
    }

    struct Violation: Sendable, CustomStringConvertible {
        let rule: Rule
        let text: String

        var description: String { "rule \(rule.rawValue), \(rule): \(text)" }
    }

    /// How long everything may take to work again.
    static let recoveryLimit = Duration.seconds(3)

    /// How long after its awakening a member may do a delayed action.
    static let awakening = Duration.seconds(3)

    static func violations(in history: History) -> [Violation] {
        let checker = HistoryChecker(history)
        return checker.checkWrites() + checker.checkReads() + checker.checkWatches() + checker.checkLeases()
            + checker.checkRecoveries()
    }

    private let history: History
    /// When the store is known to have reached which revision, in the order of time; both only grow.
    private let known: [(instant: History.Instant, revision: Revision)]

    private init(_ history: History) {
        self.history = history
        var sightings = history.reads.map { ($0.end, $0.revision) }
        for write in history.writes {
            if case .acknowledged(let revision) = write.outcome { sightings.append((write.end, revision)) }
        }
        for sighting in history.watches.values.joined() {
            sightings.append((sighting.instant, sighting.change.revision))
        }
        sightings.sort { $0.0 < $1.0 }
        known = sightings.reduce(into: []) { known, sighting in
            if sighting.1 > known.last?.revision ?? 0 { known.append((sighting.0, sighting.1)) }
        }
    }

    // MARK: Writes

    private func checkWrites() -> [Violation] {
        let changes = Dictionary(grouping: history.store.filter { $0.value != nil }, by: \.value)
        var violations: [Violation] = []
        for write in history.writes {
            let found = changes[write.value] ?? []
            if found.count > 1 {
                violations.append(Violation(rule: .noWriteHappenedTwice, text: "\(found)"))
            }
            switch write.outcome {
            case .acknowledged(let revision):
                let change = History.Change(revision: revision, key: write.key, value: write.value)
                if !found.contains(change) {
                    let text = "\(change) was acknowledged, the store has \(found)"
                    violations.append(Violation(rule: .acknowledgedWritesHappened, text: text))
                }
            case .failed(let reason):
                if let change = found.first {
                    let text = "\(change) is in the store, but was reported as \(reason)"
                    violations.append(Violation(rule: .failedWritesDidNotHappen, text: text))
                }
            case .ambiguous:
                break
            }
        }
        return violations
    }

    // MARK: Reads

    private func checkReads() -> [Violation] {
        var violations: [Violation] = []
        var knownBefore = known[...]
        var newest: Revision = 0
        for read in history.reads.sorted(by: { $0.start < $1.start }) {
            while let next = knownBefore.first, next.instant < read.start {
                newest = next.revision
                knownBefore.removeFirst()
            }
            if read.revision < newest {
                let text = "\(read.reader) read revision \(read.revision), but \(newest) was known before"
                violations.append(Violation(rule: .readsNeverGoBack, text: text))
            }
        }
        var state: [Key: History.Change] = [:]
        var changes = history.store[...]
        for read in history.reads.sorted(by: { $0.revision < $1.revision }) {
            while let change = changes.first, change.revision <= read.revision {
                state[change.key] = change.value == nil ? nil : change
                changes.removeFirst()
            }
            if Set(read.entries) != Set(state.values) {
                let difference = Set(read.entries).symmetricDifference(state.values)
                let text = "\(read.reader) read at revision \(read.revision) other than the store was: \(difference)"
                violations.append(Violation(rule: .readsNeverGoBack, text: text))
            }
        }
        return violations
    }

    // MARK: Watches

    private func checkWatches() -> [Violation] {
        history.watches.sorted { $0.key < $1.key }.compactMap { name, sightings in
            let seen = sightings.map(\.change)
            if seen == history.store { return nil }
            let count = zip(seen, history.store).prefix { $0 == $1 }.count
            let got = seen.dropFirst(count).first?.description ?? "nothing"
            let expected = history.store.dropFirst(count).first?.description ?? "nothing"
            let text =
                "\(name) saw \(seen.count) changes of \(history.store.count); first \(got) instead of \(expected)"
            return Violation(rule: .watchersSawEverything, text: text)
        }
    }

    // MARK: Leases

    private func checkLeases() -> [Violation] {
        history.store.filter { $0.value == nil }.compactMap { deletion in
            // It happened at the latest when a party saw it or a later change.
            guard let deadline = history.claims[deletion.key],
                let gone = known.first(where: { $0.revision >= deletion.revision }), gone.instant < deadline,
                !isExcused(gone.instant)
            else { return nil }
            let text = "the lease of \(deletion) was reported alive for \(deadline - gone.instant) more"
            return Violation(rule: .liveLeasesExisted, text: text)
        }
    }

    /// A leader that has stood still may end live leases when it goes on, which no client can prevent: etcd-io/etcd#15247,
    /// seen with 3.5.30 in 7 of 25 freezes of a leader for longer than the time to live.
    private func isExcused(_ gone: History.Instant) -> Bool {
        history.awakenings.contains { ($0...($0 + Self.awakening)).contains(gone) }
    }

    // MARK: Recoveries

    private func checkRecoveries() -> [Violation] {
        history.recoveries.filter { $0.duration > Self.recoveryLimit }.map { recovery in
            Violation(rule: .recoveryIsQuick, text: "\(recovery.what) took \(recovery.duration)")
        }
    }
}
