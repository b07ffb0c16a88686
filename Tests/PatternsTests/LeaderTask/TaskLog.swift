// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit
@testable import EtcdPatterns

/// A clock that a test sets.
final class ManualClock: Sendable {
    private let time: Lock<Date>

    init(_ seconds: Double) { time = Lock(Date(timeIntervalSince1970: seconds)) }

    var now: Date { time.withLock { $0 } }

    func advance(by seconds: Double) { time.withLock { $0 += seconds } }
}

/// The runs, each with its slot and its place.
final class TaskLog: Sendable {
    struct Entry: Sendable {
        let node: String
        let slot: Date
        let start: ContinuousClock.Instant
        var end: ContinuousClock.Instant?
    }

    private let entries = Lock<[Entry]>([])
    private let events = Lock<[LeaderTask.Event]>([])

    var runs: [Entry] { entries.withLock { $0 } }
    var slots: [Double] { runs.map { Double($0.slot.milliseconds) / 1000 } }

    func begin(_ node: String, _ run: LeaderTask.Run) -> Int {
        entries.withLock { entries in
            entries.append(Entry(node: node, slot: run.slot, start: .now))
            return entries.count - 1
        }
    }

    func end(_ number: Int) { entries.withLock { $0[number].end = .now } }

    func report(_ event: LeaderTask.Event) { events.withLock { $0.append(event) } }

    func contains(_ isSought: (LeaderTask.Event) -> Bool) -> Bool { events.withLock { $0.contains(where: isSought) } }

    /// The keys of the terms that have begun.
    var terms: [Key] { events.withLock { $0.compactMap { if case .elected(let term) = $0 { term.key } else { nil } } } }

    /// Why terms have ended.
    var losses: [CoordinationLoss.Reason] {
        events.withLock { $0.compactMap { if case .defeated(let loss) = $0 { loss.reason } else { nil } } }
    }

    /// How many calls had no outcome.
    var ambiguities: Int {
        events.withLock { $0.count { if case .hindered(EtcdError.Code.ambiguous) = $0 { true } else { false } } }
    }

    /// The events so far, by name.
    var kinds: [String] {
        events.withLock { $0.map { String("\($0)".prefix { $0 != "(" }) } }
    }

    var missedCount: Int {
        events.withLock { $0.reduce(0) { if case .missed(let count, _) = $1 { $0 + count } else { $0 } } }
    }
}

extension LeaderTask {
    /// A task with another clock.
    static func timed(
        _ name: String,
        on election: LeaderElection,
        every interval: Duration,
        anchor: Date = Date(timeIntervalSince1970: 0),
        missedRuns: MissedRuns = .once,
        clock: @escaping @Sendable () -> Date,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in },
        _ body: @escaping @Sendable (Run) async throws -> Void
    ) throws -> LeaderTask {
        try $clock.withValue(clock) {
            try LeaderTask(
                name,
                on: election,
                every: interval,
                anchor: anchor,
                missedRuns: missedRuns,
                onEvent: onEvent,
                body
            )
        }
    }
}
