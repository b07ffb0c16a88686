// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdTesting

/// Clients at work on a cluster under faults.
///
/// `FAULT_RUN_SECONDS` says for how long, `FAULT_RUN_SEED` which things and when: see `scripts/fault-run.sh`, which draws
/// a seed where this has always the same.
@Suite("EtcdClient: a run under faults", .slow, .enabled(if: SocketOwner.canBeFound))
struct FaultRunTests {
    @Test("no promise is broken, whatever happens to the members and the network", .timeLimit(.minutes(minutes + 4)))
    func run() async throws {
        let seed = number("FAULT_RUN_SEED") ?? 1
        let run = try await FaultRun.play(FaultSchedule(seed: seed, duration: .seconds(Self.seconds)))
        print(run.summary)
        #expect(run.brokenRules == [], "\(run.complaints)\n\(run.schedule)")
        // The control: writes succeeded, and the faults had an effect.
        #expect(run.history.writes.count { if case .acknowledged = $0.outcome { true } else { false } } > 50)
        #expect(run.history.writes.contains { if case .acknowledged = $0.outcome { false } else { true } })
    }

    @Test("the control: a writer that repeats what may have happened writes twice", .timeLimit(.minutes(2)))
    func repeatingWriter() async throws {
        let run = try await FaultRun.play(Self.lostAnswers, misbehavior: .repeatsAmbiguousWrites)
        #expect(run.brokenRules.contains(.noWriteHappenedTwice), "\(run.summary)")
        #expect(!run.brokenRules.contains(.watchersSawEverything), "\(run.complaints)")
    }

    @Test("the control: a watcher that goes on from now misses changes", .timeLimit(.minutes(2)))
    func skippingWatcher() async throws {
        let run = try await FaultRun.play(Self.quiet, misbehavior: .skipsWhileAway)
        #expect(run.brokenRules.contains(.watchersSawEverything), "\(run.summary)")
        #expect(!run.brokenRules.contains(.noWriteHappenedTwice), "\(run.complaints)")
    }

    /// Each member in turn gets the clients' requests, and its answers are lost.
    private static let lostAnswers = FaultSchedule(rounds: [
        (0..<3).map { member in
            .init(start: .seconds(1 + 4 * member), length: .seconds(4), member: member, fault: .answersLost)
        }
    ])

    private static let quiet = FaultSchedule(rounds: [
        [.init(start: .seconds(8), length: .zero, member: 0, fault: .reset)]
    ])

    private static let seconds = number("FAULT_RUN_SECONDS") ?? TestScale.pick(30, long: 60)
    private static let minutes = Int(seconds / 60)
}

private func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
}
