// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Writes the history of a fault run, for all its parties.
final class FaultRecorder: Sendable {
    /// Counts for the summary.
    struct Tally: Sendable {
        var failedReads = 0
        var leases = 0
        /// By the code of the error.
        var lostLeases: [String: Int] = [:]
        var restartedWatches = 0
        var watchErrors: [String] = []
    }

    private let state = Lock((history: History(), tally: Tally()))

    var history: History { state.withLock(\.history) }
    var tally: Tally { state.withLock(\.tally) }

    func count(_ change: (inout Tally) -> Void) { state.withLock { change(&$0.tally) } }

    func record(_ read: History.Read) { state.withLock { $0.history.reads.append(read) } }

    func record(_ recovery: History.Recovery) { state.withLock { $0.history.recoveries.append(recovery) } }

    func recordAwakening() { state.withLock { $0.history.awakenings.append(.now) } }

    func claim(_ key: Key, until deadline: ContinuousClock.Instant) {
        state.withLock { $0.history.claims[key] = max($0.history.claims[key] ?? deadline, deadline) }
    }

    func saw(_ events: [WatchEvent], _ watcher: String) {
        let sightings = events.map { History.Sighting(change: .init($0), instant: .now) }
        state.withLock { $0.history.watches[watcher, default: []] += sightings }
    }

    /// Up to which revision every watcher has seen the changes.
    var revisionSeenByAll: Revision {
        state.withLock { state in state.history.watches.values.map { $0.last?.change.revision ?? 0 }.min() ?? 0 }
    }

    /// Makes a write, and records its outcome.
    ///
    /// `operation` returns the revision that it has made, or nil if it has not happened, such as for a condition that
    /// did not hold.
    @discardableResult
    func write(
        _ key: Key,
        _ value: Value,
        _ operation: () async throws(EtcdError) -> Revision?
    ) async -> History.Write.Outcome {
        let outcome: History.Write.Outcome
        do throws(EtcdError) {
            let revision = try await operation()
            outcome = revision.map { .acknowledged($0) } ?? .failed("its condition not holding")
        } catch {
            outcome = [.ambiguous, .cancelled].contains(error.code) ? .ambiguous : .failed("\(error)")
        }
        let write = History.Write(key: key, value: value, end: .now, outcome: outcome)
        state.withLock { $0.history.writes.append(write) }
        return outcome
    }
}
