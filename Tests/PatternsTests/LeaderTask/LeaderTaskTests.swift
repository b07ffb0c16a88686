// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderTask", .cluster, .timeLimit(.minutes(2)))
struct LeaderTaskTests {
    private struct Failure: Error {}

    /// A task of 20 ms by a clock that the test sets.
    private func task(
        _ name: Key,
        _ client: EtcdClient,
        _ clock: ManualClock,
        _ log: TaskLog,
        node: String = "a",
        _ missedRuns: LeaderTask.MissedRuns = .once,
        _ body: @escaping @Sendable (LeaderTask.Run) async throws -> Void = { _ in }
    ) throws -> LeaderTask {
        try LeaderTask.timed(
            "\(name)",
            on: try LeaderElection("\(name + "/leader")", candidate: Value(node), on: .client(client)),
            every: .milliseconds(20),
            missedRuns: missedRuns,
            clock: { clock.now },
            onEvent: { log.report($0) }
        ) { run in
            let number = log.begin(node, run)
            defer { log.end(number) }
            try await body(run)
        }
    }

    @Test("the task runs once at each slot, and reports it")
    func slots() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100.005), TaskLog())
            let task = try task(name, client, clock, log)
            #expect(try await task.status() == nil)
            task.start()
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            #expect(try await task.status()?.outcome == .skipped)
            for number in 1...5 {
                clock.advance(by: 0.02)
                try await eventually("slot \(number) has run") {
                    try await task.status()?.lastCompleted?.milliseconds == 100_000 + 20 * Int64(number)
                }
                #expect(log.runs.count == number)
            }
            #expect(log.slots == [100.02, 100.04, 100.06, 100.08, 100.1])
            let status = try #require(try await task.status())
            #expect(status.outcome == .completed && status.leader == "a" && status.missedCount == 0)
            await task.stop()
            #expect(try await client.range(.prefix(name + "/leader")).count == 0)
            // It can be started again; a slot that has run does not run again.
            task.start()
            clock.advance(by: 0.02)
            try await eventually("the next slot has run") { log.slots.last == 100.12 }
            await task.stop()
            #expect(log.runs.count == 6)
            // The control: with an older record, the slot runs again.
            try await client.put(name + "/task", TaskRecord(slot: 100_100, leader: "a", term: 1).value)
            task.start()
            try await eventually("it has run again") { log.slots.filter { $0 == 100.12 }.count == 2 }
            await task.stop()
        }
    }

    @Test("missed runs are treated by the policy", arguments: [0, 1, 2])
    func missedRuns(number: Int) async throws {
        let policies: [(LeaderTask.MissedRuns, runs: [Double], missed: Int)] = [
            (.skip, [], 5), (.once, [100.1], 4), (.all(limit: 3), [100.06, 100.08, 100.1], 2),
        ]
        let (policy, runs, missed) = policies[number]
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let task = try task(name, client, clock, log, policy)
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            await task.stop()
            clock.advance(by: 0.105)
            task.start()
            try await eventually("it has caught up") {
                let status = try await task.status()
                return status?.slot.milliseconds == 100_100 && status?.outcome != .claimed
            }
            #expect(log.slots == runs && log.missedCount == missed)
            #expect(try await task.status()?.missedCount == missed)
            // The control: slots that are not missed run.
            try await eventually("a slot has run") {
                clock.advance(by: 0.02)
                try await Task.sleep(for: .milliseconds(50))
                return log.runs.count > runs.count
            }
            await task.stop()
        }
    }

    @Test("a run that takes longer than the interval does not overlap with the next one")
    func longRun() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let isStuck = Lock(true)
            let task = try task(name, client, clock, log) { _ in
                while isStuck.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(5)) }
            }
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            clock.advance(by: 0.02)
            try await eventually("it runs") { log.runs.count == 1 }
            #expect(try await task.status()?.outcome == .claimed)
            // The control: another task, which is not stuck, has its runs meanwhile.
            let other = TaskLog()
            let control = try self.task(name + "-control", client, clock, other)
            control.start()
            try await eventually("the other has begun") { try await control.status() != nil }
            for number in 1...3 {
                clock.advance(by: 0.02)
                try await eventually("the other runs") { other.runs.count == number }
                #expect(log.runs.count == 1)
            }
            await control.stop()
            #expect(log.runs.count == 1 && log.runs.first?.end == nil)
            isStuck.withLock { $0 = false }
            try await eventually("the newest slot has run") { log.slots == [100.02, 100.08] }
            #expect(log.runs.dropLast().allSatisfy { $0.end ?? .now <= log.runs.last?.start ?? .now })
            await task.stop()
        }
    }

    @Test("a body that fails is reported, and the next slot is another attempt")
    func failure() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let task = try task(name, client, clock, log) { _ in if log.runs.count == 1 { throw Failure() } }
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            clock.advance(by: 0.02)
            try await eventually("it has failed") { try await task.status()?.outcome == .failed("Failure()") }
            let slot = Date(milliseconds: 100_020)
            #expect(log.contains { if case .failed(slot, is Failure) = $0 { true } else { false } })
            #expect(try await task.status()?.lastCompleted == nil)
            clock.advance(by: 0.02)
            try await eventually("the next one has run") { try await task.status()?.outcome == .completed }
            await task.stop()
            #expect(log.slots == [100.02, 100.04])
        }
    }

    @Test("a task that is stopped ends its run before another node runs, and the run is not repeated")
    func stop() async throws {
        try await withLiveClient { client, name in
            let (clock, log) = (ManualClock(100), TaskLog())
            let first = try task(name, client, clock, log, node: "a") { _ in
                try? await Task.sleep(for: .seconds(3600))
                // It takes a while to end.
                await withoutCancellation { await Task.pause(for: .milliseconds(200)) }
            }
            // It would make up for the slot of the run if that counted as missed.
            let second = try task(name, client, clock, log, node: "b", .all(limit: 10))
            first.start()
            try await eventually("a leads") { try await first.status() != nil }
            second.start()
            clock.advance(by: 0.02)
            try await eventually("a runs") { log.runs.count == 1 }
            let stopping = Task {
                await first.stop()
                return log.runs[0].end != nil
            }
            clock.advance(by: 0.02)
            try await eventually("b runs the next slot") { log.slots.last == 100.04 }
            #expect(await stopping.value, "the run has ended when the task is stopped")
            #expect(log.runs.map(\.node) == ["a", "b"] && log.slots == [100.02, 100.04])
            let end = try #require(log.runs[0].end)
            #expect(end < log.runs[1].start)
            #expect(!log.contains { if case .interrupted = $0 { true } else { false } })
            await second.stop()
        }
    }

    @Test("a leader that is cut off has ended its run before the next one runs, and its slot is not repeated")
    func cutOff() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let (cut, witness) = (
                    try EtcdClient(endpoints: proxy.endpoint), try EtcdClient(endpoints: endpoint)
                )
                let (clock, log) = (ManualClock(100), TaskLog())
                let old = Lock<LeaderTerm?>(nil)
                func node(_ id: String, _ client: EtcdClient) throws -> LeaderTask {
                    let (name, node): (Key, Value) = ("t/leader", Value(id))
                    return try LeaderTask.timed(
                        "t",
                        on: LeaderElection("\(name)", candidate: node, on: .client(client, timeToLive: .seconds(2))),
                        every: .milliseconds(20),
                        clock: { clock.now },
                        onEvent: { log.report($0) }
                    ) { run in
                        let number = log.begin(id, run)
                        try await run.guarded(then: [.put("data", Value(id))])
                        if id == "a" { try? await Task.sleep(for: .seconds(3600)) }
                        log.end(number)
                        if id == "a" {
                            // Late writes of the old leader are refused here, and later by etcd.
                            await expectLoss(.deadline) { try await run.guarded(then: [.put("data", "late")]) }
                            old.withLock { $0 = run.term }
                        }
                    }
                }
                let (first, second) = (try node("a", cut), try node("b", witness))
                first.start()
                try await eventually("a leads") { try await second.status() != nil }
                second.start()
                clock.advance(by: 0.02)
                try await eventually("a runs, and has written") { try await witness.get("data")?.value == "a" }
                await proxy.stall()
                clock.advance(by: 0.02)
                try await eventually("b runs the next slot") {
                    try await witness.get("data")?.value == "b"
                }
                #expect(log.slots == [100.02, 100.04])
                let end = try #require(log.runs[0].end)
                #expect(end < log.runs[1].start, "the lead is \(log.runs[1].start - end)")
                await proxy.resume()
                try await eventually("a reports the loss") {
                    log.contains { if case .interrupted(_, let loss) = $0 { loss.reason == .deadline } else { false } }
                }
                await first.stop()
                await second.stop()
                let term = try #require(old.withLock { $0 })
                let late = [TransactionOperation.put("data", "late")]
                #expect(try await !witness.transaction(if: [term.isCurrent], then: late).succeeded)
                #expect(try await witness.get("data")?.value == "b")
                await cut.close()
                await witness.close()
            }
        }
    }

    @Test("a leader whose clock is behind that of its predecessor waits, and repeats no slot")
    func clockBehind() async throws {
        try await withLiveClient { client, name in
            let (ahead, behind, log) = (ManualClock(105), ManualClock(95), TaskLog())
            let first = try task(name, client, ahead, log, node: "a")
            first.start()
            try await eventually("it has begun") { try await first.status() != nil }
            ahead.advance(by: 0.02)
            try await eventually("a has run") { try await first.status()?.outcome == .completed }
            let second = try task(name, client, behind, log, node: "b")
            second.start()
            await first.stop()
            try await eventually("b leads") {
                try await client.range(.prefix(name + "/leader/")).entries.first?.value == "b"
            }
            for _ in 0..<20 {
                behind.advance(by: 0.5)
                try await Task.sleep(for: .milliseconds(5))
                #expect(log.runs.count == 1)
            }
            behind.advance(by: 0.045)
            // The control: it runs when its clock reaches the next slot. Its pauses are no longer than a second.
            try await eventually("b runs") { log.slots == [105.02, 105.04] }
            await second.stop()
        }
    }

    @Test("no slot runs twice with changing leaders whose clocks are five seconds apart")
    func skew() async throws {
        try await withLiveClient { client, name in
            let log = TaskLog()
            let start = try await client.range(.key(name)).header.revision
            let elections = try (0..<3).map { number in
                var election = try LeaderElection(
                    "\(name + "/leader")",
                    candidate: "node-\(number)",
                    on: .client(client)
                )
                election.backoff = Backoff(initial: .milliseconds(1), maximum: .milliseconds(5))
                return election
            }
            let nodes = try elections.enumerated().map { number, election in
                try LeaderTask.timed(
                    "\(name)",
                    on: election,
                    every: .milliseconds(50),
                    missedRuns: .all(limit: 3),
                    clock: { Date() + 5 * Double(number - 1) },
                    onEvent: { log.report($0) }
                ) { run in
                    let index = log.begin("\(number)", run)
                    defer { log.end(index) }
                    try await Task.sleep(for: .milliseconds(.random(in: 0...20)))
                    try await run.guarded(then: [.put(name + "/data", "\(run.slot.milliseconds)")])
                }
            }
            for node in nodes { node.start() }
            let end = ContinuousClock.now + .seconds(6)
            var terms = 0
            while .now < end {
                for election in elections {
                    guard let term = election.currentTerm else { continue }
                    terms += 1
                    await term.resign()
                }
                // At slots, before and after them.
                try await Task.sleep(for: .milliseconds(.random(in: 20...200)))
            }
            for node in nodes { await node.stop() }
            #expect(Set(log.slots).count == log.runs.count, "no slot has two runs")
            let runs = log.runs.sorted { $0.start < $1.start }
            #expect(zip(runs, runs.dropFirst()).allSatisfy { $0.end ?? .now <= $1.start }, "nor do runs overlap")
            print("\(terms) terms, \(runs.count) runs, by \(Dictionary(grouping: runs, by: \.node).mapValues(\.count))")
            #expect(terms > 10 && runs.count > 20 && runs.contains { $0.node == "2" })
            // Also in the store's history, the slots that were written only rise.
            let last = try await client.put(name + "/end", "").header.revision
            var written: [Int64] = []
            for try await event in client.watch(.prefix(name + "/"), from: start.next) {
                if event.revision >= last { break }
                if event.key == name + "/data" { written.append(Int64(event.entry.value.description) ?? 0) }
            }
            #expect(written.count > 20 && zip(written, written.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("several tasks run under one leadership")
    func together() async throws {
        try await withLiveClient { client, name in
            let election = try LeaderElection("\(name + "/leader")", candidate: "a", on: .client(client))
            let (clock, logs) = (ManualClock(100), [TaskLog(), TaskLog()])
            let tasks = try logs.enumerated().map { number, log in try task(name + "/\(number)", client, clock, log) }
            let leading = Task {
                try await election.run { term in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for task in tasks { group.addTask { try await task.run(in: term) } }
                        try await group.waitForAll()
                    }
                }
            }
            for task in tasks { try await eventually("it has begun") { try await task.status() != nil } }
            clock.advance(by: 0.02)
            try await eventually("both have run") { logs.allSatisfy { $0.slots == [100.02] } }
            leading.cancel()
            _ = await leading.result
        }
    }

    @Test("an invalid task is refused, and the error about a foreign value names the key of the task")
    func arguments() async throws {
        try await withLiveClient { client, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .client(client))
            #expect(throws: EtcdError.self) { try LeaderTask("", on: election, every: .seconds(1)) { _ in } }
            #expect(throws: EtcdError.self) { try LeaderTask("\(name)", on: election, every: .seconds(1)) { _ in } }
            for interval in [Duration.zero, .seconds(-1), .microseconds(999), .seconds(Int64.max)] {
                #expect(throws: EtcdError.self) {
                    try LeaderTask("\(name + "-task")", on: election, every: interval) { _ in }
                }
            }
            let log = TaskLog()
            let task = try LeaderTask(
                "\(name + "-task")",
                on: election,
                every: .seconds(1),
                onEvent: { log.report($0) }
            ) { _ in }
            try await client.put(name + "-task/task", "junk")
            await expectError(.invalidArgument) { try await task.status() }
            await expectError(.invalidArgument) { try await task.run() }
            task.start()
            try await eventually("it says why it has stopped") {
                log.contains { if case .stopped(EtcdError.Code.invalidArgument) = $0 { true } else { false } }
            }
            // It can be started again.
            try await client.delete(name + "-task/task")
            task.start()
            try await eventually("it has begun") { try await task.status() != nil }
            await task.stop()
            try await client.delete(.prefix(name))
        }
    }
}
