// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderTask: claims", .cluster, .timeLimit(.minutes(2)))
struct LeaderTaskClaimTests {
    @Test("when several leader tasks run in one term, no slot runs twice")
    func meeting() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let election = try LeaderElection("\(name + "/leader")", candidate: "a", on: .client(client))
            let task = try LeaderTask.timed(
                "\(name)",
                on: election,
                every: .milliseconds(20),
                clock: { clock.now },
                onEvent: { log.report($0) }
            ) { run in
                let number = log.begin("a", run)
                // Long enough for the others to look at the record while it is a claim.
                try await Task.sleep(for: .milliseconds(20))
                log.end(number)
            }
            try await election.lead { term in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<6 { group.addTask { try await task.run(in: term) } }
                    try await eventually("it has begun") { try await task.status() != nil }
                    for number in 1...15 {
                        clock.advance(by: 0.02)
                        let slot = Date(milliseconds: 100_000 + 20 * Int64(number))
                        try await eventually("slot \(number) has run") {
                            log.contains { if case .completed(slot) = $0 { true } else { false } }
                        }
                    }
                    group.cancelAll()
                }
            }
            #expect(log.runs.count == 15 && Set(log.slots).count == 15, "\(log.slots)")
        }
    }

    @Test("a claim whose answer is lost is found, and its slot runs, once")
    func lostAnswers() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let (clock, log) = (ManualClock(100), TaskLog())
            let task = try LeaderTask.timed(
                "t",
                on: LeaderElection("t/leader", candidate: "a", on: .client(client, timeToLive: .seconds(60))),
                every: .milliseconds(20),
                missedRuns: .all(limit: 10_000),
                clock: { clock.now },
                onEvent: { log.report($0) }
            ) { run in log.end(log.begin("a", run)) }
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            var last: Int64 = 100_000
            let end = ContinuousClock.now + .seconds(40)
            while log.ambiguities < 4, .now < end {
                clock.advance(by: 0.1)
                last += 100
                try await Task.sleep(for: .microseconds(.random(in: 0...4000)))
                await proxy.cut()
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(log.ambiguities >= 4, "the control: answers were lost")
            try await eventually(within: .seconds(60), "all slots have run") {
                log.runs.last?.slot.milliseconds == last
            }
            await task.stop()
            let slots = log.runs.map(\.slot.milliseconds)
            #expect(slots == Array(stride(from: 100_020, through: last, by: 20)))
            #expect(log.terms.count == 1, "the task has led all the time")
        }
    }

    @Test("events report when terms begin, and why they end")
    func terms() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let election = try LeaderElection("\(name + "/leader")", candidate: "a", on: .client(client))
            let task = try LeaderTask.timed(
                "\(name)",
                on: election,
                every: .milliseconds(20),
                clock: { clock.now },
                onEvent: { log.report($0) }
            ) { _ in try await Task.sleep(for: .seconds(3600)) }
            task.start()
            try await eventually("it leads, and has begun") { try await task.status() != nil && log.terms.count == 1 }
            clock.advance(by: 0.02)
            try await eventually("it runs") { log.contains { if case .started = $0 { true } else { false } } }
            let key = try #require(election.currentTerm?.key)
            #expect(log.terms == [key] && log.losses == [])
            try await client.delete(key)
            try await eventually("it leads again") { log.terms.count == 2 }
            #expect(log.losses == [.keyDeleted])
            #expect(log.kinds == ["elected", "started", "interrupted", "defeated", "elected"])
            await task.stop()
            #expect(log.losses == [.keyDeleted, .released])
        }
    }
}
