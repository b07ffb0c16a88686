// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Many tasks move money between accounts, over connections that are cut.
@Suite("Atomic transaction: a bank", .slow, .timeLimit(.minutes(3)))
struct AtomicBankTests {
    private static let seconds = TestScale.pick(4, long: 60)
    private static let accountCount = 50
    private static let balance = 100

    private struct Outcome: Sendable, CustomStringConvertible {
        /// The sum of all accounts, at each revision.
        var sums: [Int] = []
        var runs = 0
        var acknowledged = 0
        var ambiguous = 0
        var failed = 0
        var cuts = 0

        var description: String {
            "\(acknowledged) moved, \(ambiguous) perhaps, \(failed) failed, \(runs) runs, \(cuts) cuts, "
                + "\(sums.count) revisions, sums from \(sums.min() ?? 0) to \(sums.max() ?? 0)"
        }
    }

    @Test(
        "the sum of all accounts never changes, and each acknowledged transaction happened once",
        arguments: AtomicOptions.Isolation.allCases.filter { $0 != .readCommitted }
    )
    func sum(isolation: AtomicOptions.Isolation) async throws {
        let outcome = try await transfers(isolation, for: .seconds(Self.seconds))
        print("\(isolation): \(outcome)")
        #expect(Set(outcome.sums) == [Self.accountCount * Self.balance], "\(outcome)")
        let changes = outcome.sums.count - 1
        #expect(changes >= outcome.acknowledged && changes <= outcome.acknowledged + outcome.ambiguous, "\(outcome)")
        // The control: money moved, transactions conflicted, and cuts had an effect.
        #expect(outcome.acknowledged > 50 && outcome.cuts > 5, "\(outcome)")
        #expect(outcome.runs > outcome.acknowledged + outcome.ambiguous + outcome.failed, "\(outcome)")
        #expect(outcome.ambiguous > 0, "\(outcome)")
    }

    @Test("the control: at the weakest level, updates are lost, and the sum changes")
    func control() async throws {
        let outcome = try await transfers(.readCommitted, for: .seconds(min(Self.seconds, 5)))
        print("readCommitted: \(outcome)")
        #expect(Set(outcome.sums).count > 1, "\(outcome)")
    }

    /// Sixteen tasks of four clients move money for a while, and their connections are cut at random.
    private func transfers(_ isolation: AtomicOptions.Isolation, for duration: Duration) async throws -> Outcome {
        try await withPrivateEtcd { plain, cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                let puts = (0..<Self.accountCount).map {
                    TransactionOperation.put(Self.account($0), "\(Self.balance)")
                }
                let start = try await plain.transaction(then: puts).header.revision
                let outcome = Lock(Outcome())
                let deadline = ContinuousClock.now + duration
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(50)
                let clients = try (0..<4).map { _ in try EtcdClient(configuration) }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<16 {
                        let client = clients[number % clients.count]
                        group.addTask {
                            while .now < deadline { try await Self.transfer(client, isolation, outcome) }
                        }
                    }
                    group.addTask {
                        while .now < deadline {
                            try await Task.sleep(for: .milliseconds(.random(in: 50...400)))
                            await proxy.cut()
                            outcome.withLock { $0.cuts += 1 }
                        }
                    }
                    try await group.waitForAll()
                }
                for client in clients { await client.close() }
                let end = try await plain.put("accounts/end", "0").header.revision
                let sums = try await Self.sums(plain, from: start, to: end)
                outcome.withLock { $0.sums = sums }
                return outcome.withLock { $0 }
            }
        }
    }

    private static func transfer(
        _ client: EtcdClient,
        _ isolation: AtomicOptions.Isolation,
        _ outcome: Lock<Outcome>
    ) async throws {
        let from = Int.random(in: 0..<accountCount)
        let to = (from + .random(in: 1..<accountCount)) % accountCount
        do {
            try await client.atomically(AtomicOptions(isolation: isolation)) { transaction in
                outcome.withLock { $0.runs += 1 }
                let source = try #require(try await transaction.get(account(from))?.number)
                let target = try #require(try await transaction.get(account(to))?.number)
                let amount = Int.random(in: 1...10)
                transaction.put(account(from), "\(source - amount)")
                transaction.put(account(to), "\(target + amount)")
            }
            outcome.withLock { $0.acknowledged += 1 }
        } catch let error as EtcdError where error.code == .ambiguous {
            outcome.withLock { $0.ambiguous += 1 }
        } catch let error as EtcdError where error.code == .transactionConflict || error.code.isTransient {
            outcome.withLock { $0.failed += 1 }
        }
    }

    /// The sum of all accounts at each revision that changed one.
    private static func sums(
        _ client: EtcdClient,
        from start: Revision,
        to end: Revision
    ) async throws -> [Int] {
        var balances: [Key: Int] = [:]
        var sums: [Int] = []
        var batches = client.watch(.prefix("accounts/"), from: start).batches.makeAsyncIterator()
        while let batch = try await batches.next(), batch.revision < end {
            for event in batch.events { balances[event.key] = event.entry.number }
            sums.append(balances.values.reduce(0, +))
        }
        return sums
    }

    private static func account(_ number: Int) -> Key { "accounts/\(number)" }
}

extension KeyValue {
    fileprivate var number: Int? { value.string.flatMap { Int($0) } }
}
