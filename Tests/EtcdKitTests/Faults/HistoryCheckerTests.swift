// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@Suite("HistoryChecker", .unit)
struct HistoryCheckerTests {
    @Test("a correct history breaks no rule, even with writes of unknown outcome")
    func sound() {
        #expect(broken { _ in } == [])
    }

    @Test("an acknowledged write must be in the store, at its revision")
    func acknowledged() {
        #expect(broken { $0.writes.append(write("lost", .acknowledged(9))) } == [.acknowledgedWritesHappened])
        #expect(broken { $0.writes.append(write("late", .acknowledged(3))) } == [.acknowledgedWritesHappened])
    }

    @Test("no write may happen twice, whatever its reported outcome is", arguments: ["1", "late"] as [Value])
    func twice(value: Value) {
        let again = History.Change(revision: 6, key: "a", value: value)
        let history = sample {
            $0.store.append(again)
            for name in $0.watches.keys { $0.watches[name]?.append(.init(change: again, instant: at(9))) }
        }
        #expect(rules(history) == [.noWriteHappenedTwice])
    }

    @Test("a failed write must not have happened")
    func failed() {
        #expect(broken { $0.writes.append(write("late", .failed("unavailable"))) } == [.failedWritesDidNotHappen])
    }

    @Test("a read must not miss a change that was acknowledged, read or watched before it began", arguments: 1...3)
    func stale(way: Int) {
        let history = sample { history in
            history.reads.append(read(from: 7, to: 8, revision: 2, [history.store[0]]))
            // One of three ways to learn of revision 3.
            if way != 1 { history.writes.removeAll { $0.value == "2" } }
            if way != 2 { history.reads.removeAll { $0.revision > 2 } }
            if way != 3 { history.watches = [:] }
        }
        #expect(rules(history) == [.readsNeverGoBack])
        let early = sample { $0.reads.append(read(from: 0, to: 8, revision: 2, [$0.store[0]])) }
        #expect(rules(early) == [])
    }

    @Test("a read must see the store as it was")
    func wrongContent() {
        #expect(broken { $0.reads.append(read(from: 1, to: 8, revision: 2, [])) } == [.readsNeverGoBack])
        let old = History.Change(revision: 2, key: "a", value: "1")
        #expect(broken { $0.reads.append(read(from: 1, to: 8, revision: 3, [old])) } == [.readsNeverGoBack])
    }

    @Test("a watcher must see each change once and in order")
    func watches() {
        #expect(broken { $0.watches["w"]?.removeLast() } == [.watchersSawEverything])
        #expect(broken { $0.watches["w"]?.remove(at: 1) } == [.watchersSawEverything])
        #expect(broken { $0.watches["w"]?.swapAt(0, 1) } == [.watchersSawEverything])
        #expect(
            broken { history in
                let last = history.watches["w"]?.last
                history.watches["w"]? += [last].compactMap(\.self)
            } == [.watchersSawEverything]
        )
        #expect(broken { $0.watches["deaf"] = [] } == [.watchersSawEverything])
    }

    @Test("a lease must not be gone before the time until which it was reported alive")
    func leases() {
        // Its end was seen at 5.
        #expect(broken { $0.claims["lease"] = at(6) } == [.liveLeasesExisted])
        #expect(broken { $0.claims["lease"] = at(5) } == [])
        #expect(broken { $0.claims["other"] = at(60) } == [])
        // A member that had stood still has ended it.
        let excused = broken { history in
            history.claims["lease"] = at(6)
            history.awakenings = [at(4)]
        }
        #expect(excused == [])
    }

    @Test("all must work again soon")
    func recovery() {
        #expect(broken { $0.recoveries.append(.init(what: "put", duration: .seconds(4))) } == [.recoveryIsQuick])
    }

    // MARK: The sample

    private func broken(_ change: (inout History) -> Void) -> [HistoryChecker.Rule] { rules(sample(change)) }

    private func rules(_ history: History) -> [HistoryChecker.Rule] {
        HistoryChecker.violations(in: history).map(\.rule)
    }

    private func sample(_ change: (inout History) -> Void) -> History {
        var history = History()
        history.store = [
            .init(revision: 2, key: "a", value: "1"), .init(revision: 3, key: "a", value: "2"),
            .init(revision: 4, key: "lease", value: "held"), .init(revision: 5, key: "lease", value: nil),
            .init(revision: 5, key: "a", value: "late"),
        ]
        history.writes = [
            write("1", .acknowledged(2), end: 2), write("2", .acknowledged(3), end: 3), write("never", .ambiguous),
            write("late", .ambiguous), write("refused", .failed("unavailable")),
        ]
        history.reads = [
            read(from: 1, to: 2, revision: 1, []), read(from: 4, to: 5, revision: 3, [history.store[1]]),
        ]
        history.watches["w"] = zip(history.store, 2...).map { .init(change: $0, instant: at($1 == 6 ? 5 : $1)) }
        history.claims["lease"] = at(4)
        history.recoveries = [.init(what: "get", duration: .seconds(1))]
        change(&history)
        return history
    }

    private let origin = ContinuousClock.now

    private func at(_ second: Int) -> History.Instant { origin + .seconds(second) }

    private func write(_ value: Value, _ outcome: History.Write.Outcome, end: Int = 6) -> History.Write {
        .init(key: "a", value: value, end: at(end), outcome: outcome)
    }

    private func read(from start: Int, to end: Int, revision: Revision, _ entries: [History.Change]) -> History.Read {
        .init(reader: "r", start: at(start), end: at(end), revision: revision, entries: entries)
    }
}

@Suite("FaultSchedule", .unit)
struct FaultScheduleTests {
    @Test("a seed repeats its schedule, another seed has another")
    func seeds() {
        let schedule = FaultSchedule(seed: 1, duration: .seconds(60))
        #expect(schedule == FaultSchedule(seed: 1, duration: .seconds(60)))
        #expect(schedule.rounds != FaultSchedule(seed: 2, duration: .seconds(60)).rounds)
    }

    @Test("all faults occur, mostly one at a time, at most two, and never two at one member")
    func minority() {
        let rounds = FaultSchedule(seed: 1, duration: .seconds(3600)).rounds
        #expect(Set(rounds.joined().map(\.fault)) == Set(Fault.allCases))
        var doubles = 0
        for round in rounds {
            for (number, step) in round.enumerated() {
                let others = round[..<number].filter { $0.end > step.start }
                #expect(others.count <= 1 && others.allSatisfy { $0.member != step.member })
                doubles += others.count
            }
        }
        #expect((1..<(rounds.joined().count / 5)).contains(doubles))
    }
}
