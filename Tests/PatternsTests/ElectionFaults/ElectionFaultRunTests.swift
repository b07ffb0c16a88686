// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Candidates of one election under faults of their own, of etcd and of the leadership.
///
/// For longer, and with other chances: `scripts/pattern-run.sh --run election`.
@Suite("LeaderElection: a run under faults", .cluster)
struct ElectionFaultRunTests {
    @Test(
        "two candidates never lead at once, and tokens rise, whatever faults there are",
        .timeLimit(.minutes(PatternRun.minutes))
    )
    func run() async throws {
        let (history, summary) = try await ElectionField.lend { field in
            let run = ElectionFaultRun(field, seed: PatternRun.seed)
            let history = try await run.play { try await run.harm(for: .seconds(PatternRun.seconds ?? 15)) }
            return (history, run.summary)
        }
        print(summary)
        #expect(history.violations == [], "\(summary)")
        // A loss is known at the latest when the lease is not renewed any more, or by the watch.
        #expect(history.overlaps.excused.allSatisfy { $0.length < ElectionField.timeToLive * 2 }, "\(summary)")
        // The control: terms began and ended, for more than one reason, and leaders wrote.
        #expect(history.stints.count >= 4, "\(summary)")
        #expect(Set(history.stints.compactMap { $0.lost?.reason }).count >= 2, "\(summary)")
        #expect(history.writes.count >= 20, "\(summary)")
    }

    @Test(
        "the control: a candidate that judges by answers only leads beside the next leader; others do not",
        .timeLimit(.minutes(4)),
        arguments: [true, false]
    )
    func control(judgesByAnswers: Bool) async throws {
        let history = try await ElectionField.lend { field in
            let run = ElectionFaultRun(field, judgesByAnswers: judgesByAnswers)
            return try await run.play {
                guard let leader = field.leader else { return }
                await leader.start(.cutOff)
                try await eventually("another leads") {
                    field.leader.map { $0.number != leader.number } ?? false
                }
                // Time in which the old leader gets no answer.
                try await Task.sleep(for: .milliseconds(500))
            }
        }
        #expect(history.overlaps.violations.isEmpty != judgesByAnswers, "\(history.violations)")
        #expect(history.overlaps.excused.isEmpty)
        if !judgesByAnswers { #expect(history.violations == []) }
    }

    @Test("a run that fails while a leader is cut off ends", .timeLimit(.minutes(2)))
    func failure() async throws {
        struct Failure: Error {}
        await #expect(throws: Failure.self) {
            try await ElectionField.lend { field in
                let run = ElectionFaultRun(field, judgesByAnswers: true)
                _ = try await run.play {
                    guard let leader = field.leader else { return }
                    await leader.start(.cutOff)
                    // Now it asks for an answer that does not come.
                    try await eventually("it has lost its term") { !leader.election.isLeader }
                    throw Failure()
                }
            }
        }
    }

    @Test("a leadership is handed over within a round trip, not a time to live", .timeLimit(.minutes(2)))
    func handOver() async throws {
        try await withLiveClient { client, name in
            let timeToLive = Duration.seconds(10)
            let elections = try ["a", "b"].map {
                try LeaderElection("\(name)", candidate: $0, on: .client(client, timeToLive: timeToLive))
            }
            var term = try await elections[0].campaign()
            for round in 1...6 {
                let next = elections[round % 2]
                let waiting = Task { (try await next.campaign(), ContinuousClock.now) }
                try await eventually("the other one waits") { try await next.candidates().count == 2 }
                let start = ContinuousClock.now
                if round % 3 == 0 { try await term.transfer(to: next.candidate) } else { await term.resign() }
                let (successor, elected) = try await waiting.value
                #expect(elected - start < timeToLive / 4)
                term = successor
            }
            await term.resign()
        }
    }
}
