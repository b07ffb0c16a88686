// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// A cluster under faults, clients that work meanwhile, and the outcome.
struct FaultRun: Sendable {
    let schedule: FaultSchedule
    let history: History
    let violations: [HistoryChecker.Violation]
    private let tally: FaultRecorder.Tally

    /// Plays a schedule.
    ///
    /// With a misbehavior, the parties break a rule.
    static func play(
        _ schedule: FaultSchedule,
        misbehavior: FaultWorkload.Misbehavior? = nil
    ) async throws -> FaultRun {
        print(schedule)
        return try await FaultField.lend { field in
            let recorder = FaultRecorder()
            let clients = try (0..<3).map { try field.client(startingAt: $0) }
            let workload = FaultWorkload(recorder: recorder, seed: schedule.seed, misbehavior: misbehavior)
            try await workload.play(schedule, in: field, clients)
            for client in clients { await client.close() }

            var history = recorder.history
            history.store = try await field.readStore()
            let violations = HistoryChecker.violations(in: history)
            return FaultRun(
                schedule: schedule,
                history: history,
                violations: violations,
                tally: recorder.tally
            )
        }
    }

    /// The rules that were broken.
    var brokenRules: Set<HistoryChecker.Rule> { Set(violations.map(\.rule)) }

    /// A summary of all counts.
    var summary: String {
        let faults = Dictionary(grouping: schedule.rounds.joined(), by: \.fault.rawValue).mapValues(\.count)
        let outcomes = Dictionary(grouping: history.writes, by: \.outcome.name).mapValues(\.count)
        let slowest = history.recoveries.max { $0.duration < $1.duration }
        let changes = history.watches.values.map(\.count).reduce(0, +)
        let lines = [
            "fault run with seed \(schedule.seed), \(schedule.rounds.count) rounds",
            "faults: \(listing(faults))",
            "writes: \(listing(outcomes)); \(history.store.count) changes in the store",
            "reads: \(history.reads.count), failed: \(tally.failedReads)",
            "events: \(changes) at \(history.watches.count) watchers, started again \(tally.restartedWatches) times",
            "leases: \(tally.leases), lost: \(tally.lostLeases.isEmpty ? "none" : listing(tally.lostLeases))",
            "slowest recovery: \(slowest.map { "\($0.what), \($0.duration.inSeconds)" } ?? "none")",
        ]
        return (lines + tally.watchErrors).joined(separator: "\n  ")
    }

    /// The first violations of each rule.
    var complaints: String {
        let byRule = Dictionary(grouping: violations, by: \.rule).sorted { $0.key.rawValue < $1.key.rawValue }
        let lines = byRule.flatMap { rule, violations in
            violations.prefix(5).map { String("\($0)".prefix(400)) } + [
                "(\(violations.count) of rule \(rule.rawValue))"
            ]
        }
        return (["seed \(schedule.seed)"] + lines).joined(separator: "\n  ")
    }

    private func listing(_ counts: [String: Int]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}

extension FaultWorkload {
    /// Plays the rounds while all parties work, and waits until the watchers have seen the last key.
    fileprivate func play(_ schedule: FaultSchedule, in field: FaultField, _ clients: [EtcdClient]) async throws {
        let probes = try await RecoveryProbe.make(for: clients, field, recorder)
        try await withThrowingDiscardingTaskGroup { watching in
            for (number, client) in clients.enumerated() {
                watching.addTask { await noting("watcher \(number)") { try await watch($0, client) } }
                watching.addTask { await noting("restarter \(number)") { try await watchInParts($0, client) } }
            }
            try await withThrowingDiscardingTaskGroup { working in
                for (number, client) in clients.enumerated() {
                    working.addTask { await put("put\(number)", client) }
                    working.addTask { await transact("transaction\(number)", client) }
                    working.addTask { await read("reader \(number)", client) }
                    working.addTask { await holdLeases("lease\(number)", for: nil, client) }
                    working.addTask { await holdLeases("short\(number)", for: .seconds(10), client) }
                }
                for (number, round) in schedule.rounds.enumerated() {
                    try await field.play(round, recorder)
                    let slowest = await probes.measure("round \(number + 1)")
                    print("round \(number + 1): all works again after \(slowest.inSeconds)")
                }
                working.cancelAll()
            }
            try await field.finish(recorder)
            watching.cancelAll()
        }
    }

    private func noting(_ name: String, _ body: (String) async throws -> Void) async {
        do {
            try await body(name)
        } catch {
            recorder.count { $0.watchErrors.append("\(name) ended with \(error)") }
        }
    }
}

extension FaultField {
    /// A client of all members through their proxies, which begins with one of them.
    fileprivate func client(startingAt first: Int) throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: Array(endpoints[first...] + endpoints[..<first]))
        // An endpoint with silently dead connections must be detected within the time for recovery.
        configuration.retry.attemptTimeout = .seconds(1)
        configuration.watchProbeInterval = .seconds(1)
        configuration.pingTimeout = .seconds(1)
        // One of the clients has short timeouts.
        configuration.callTimeout = .seconds(first == 2 ? 1 : 3)
        return try EtcdClient(configuration)
    }

    /// Puts the last key, and gives the watchers time to see it.
    fileprivate func finish(_ recorder: FaultRecorder) async throws {
        let revision = try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
            try await client.put(FaultWorkload.lastKey, "end").header.revision
        }
        let deadline = ContinuousClock.now + RecoveryProbe.patience
        while recorder.revisionSeenByAll < revision, .now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// All changes, from a member itself.
    fileprivate func readStore() async throws -> [History.Change] {
        try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
            var changes: [History.Change] = []
            for try await event in client.watch(FaultWorkload.keys, from: 1) {
                changes.append(History.Change(event))
                if event.key == FaultWorkload.lastKey { break }
            }
            return changes
        }
    }
}

extension History.Write.Outcome {
    fileprivate var name: String {
        switch self {
        case .acknowledged: "acknowledged"
        case .ambiguous: "ambiguous"
        case .failed: "failed"
        }
    }
}
