// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderTask: in a store that was restored from a backup", .cluster, .timeLimit(.minutes(3)))
struct LeaderTaskRestorationTests {
    @Test("the run of a leader that the store has forgotten ends, and no later slot runs twice", arguments: [0, 100])
    func restored(growth: Int) async throws {
        try await RestorableStore.lend { store in
            let (clock, log, isStuck) = (ManualClock(100), TaskLog(), Lock(true))
            func node(_ id: String, _ session: Session) throws -> LeaderTask {
                try LeaderTask.timed(
                    "t",
                    on: LeaderElection("t/leader", candidate: Value(id), on: .session(session)),
                    every: .milliseconds(20),
                    clock: { clock.now },
                    onEvent: { log.report($0) }
                ) { run in
                    let number = log.begin(id, run)
                    defer { log.end(number) }
                    if isStuck.withLock({ $0 }) { try await Task.sleep(for: .seconds(3600)) }
                }
            }
            // The backup knows its lease, which is renewed afterwards as if nothing had happened.
            let session = try await Session(store.client, timeToLive: .seconds(60))
            try await store.save()
            let first = try node("a", session)
            first.start()
            try await eventually("a leads") { try await first.status() != nil }
            clock.advance(by: 0.02)
            try await eventually("a runs") { log.runs.count == 1 }
            try await store.restore(growingBy: growth)
            // The run asks etcd nothing, so it would go on as long as the session lives.
            try await eventually("the run has ended") { log.runs.first?.end != nil }
            try await eventually("a has reported why") { log.losses.count == 1 }
            #expect([.revisionRegressed, .keyDeleted].contains(try #require(log.losses.first)))
            isStuck.withLock { $0 = false }
            let next = try await Session(store.witness, timeToLive: .seconds(60))
            let second = try node("b", next)
            second.start()
            // The backup did not have the task.
            try await eventually("b leads, and has begun") { try await second.status() != nil }
            let known = log.runs.count
            for number in 1...10 {
                let before = log.runs.count
                // A slot that comes before b waits for it is skipped.
                try await eventually("\(number) more slots have run") {
                    clock.advance(by: 0.02)
                    try await Task.sleep(for: .milliseconds(20))
                    return log.runs.count > before
                }
            }
            #expect(Set(log.slots).count == log.slots.count && log.runs.count >= known + 10, "\(log.slots)")
            #expect(log.terms.count >= 2, "the control: another candidate has led")
            await first.stop()
            await second.stop()
            await session.close()
            await next.close()
        }
    }
}
