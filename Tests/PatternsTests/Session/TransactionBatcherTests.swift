// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Session: transactions are sent in batches", .cluster, .timeLimit(.minutes(2)))
struct TransactionBatcherTests {
    /// The transactions of a client, by the code with which they ended.
    private final class Transactions: Sendable {
        private let codes = Lock<[EtcdError.Code?: Int]>([:])

        func count(_ code: EtcdError.Code) -> Int { codes.withLock { $0[code] ?? 0 } }

        func attach(to configuration: inout EtcdClient.Configuration) {
            configuration.onEvent = { [codes] event in
                guard case .callFinished(let call, let outcome) = event, call.method.hasSuffix("/Txn") else { return }
                codes.withLock { $0[outcome.code, default: 0] += 1 }
            }
        }
    }

    /// Acquires locks of these names at once.
    private func acquire(_ names: [Key], on session: Session) async throws -> [LockGrant] {
        try await withThrowingTaskGroup(of: LockGrant.self) { group in
            for name in names {
                group.addTask { try await DistributedLock("\(name)", on: .session(session)).acquire() }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func release(_ grants: [LockGrant]) async {
        await withDiscardingTaskGroup { group in
            for grant in grants { group.addTask { await grant.release() } }
        }
    }

    @Test("locks that are taken and released at once share their transactions, and each has its own key")
    func together() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(15))
            // So that transactions arrive while others are under way.
            await proxy.delay(.milliseconds(50), .toClient)
            let grants = try await acquire((0..<200).map { "lock-\($0)" }, on: session)
            // A transaction has one revision.
            #expect(Set(grants.map(\.fencingToken)).count < 60)
            for grant in grants {
                #expect(grant.isHeld)
                let entry = try await witness.get(grant.key)
                #expect(entry?.createRevision == grant.fencingToken)
                #expect(entry?.version == 1)
            }
            let before = try await witness.range(.prefix("lock-")).header.revision
            await release(grants)
            let after = try await witness.range(.prefix("lock-"))
            #expect(after.count == 0)
            #expect(after.header.revision.rawValue - before.rawValue < 60)
            await session.close()
        }
    }

    @Test("locks that join one queue at once have different places, and one holder at a time")
    func oneQueue() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let session = try await Session(client, timeToLive: .seconds(60))
            await proxy.delay(.milliseconds(5), .toClient)
            let inside = Lock<[Int: Int]>([:])
            let tokens = Lock<[Int: [Revision]]>([:])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<120 {
                    let name = number % 12
                    group.addTask {
                        try await DistributedLock("lock-\(name)", on: .session(session)).withLock { grant in
                            let holders = inside.withLock { inside in
                                inside[name, default: 0] += 1
                                return inside[name]
                            }
                            #expect(holders == 1)
                            tokens.withLock { $0[name, default: []].append(grant.fencingToken) }
                            try await Task.sleep(for: .milliseconds(1))
                            inside.withLock { $0[name, default: 0] -= 1 }
                        }
                    }
                }
                try await group.waitForAll()
            }
            for (_, tokens) in tokens.withLock({ $0 }) {
                #expect(tokens.count == 10)
                // Each has a higher one than the holder before it.
                #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 })
            }
            await session.close()
        }
    }

    @Test("if etcd allows few operations in a transaction, all are done in smaller batches")
    func fewOperations() async throws {
        var options = EtcdCluster.Options()
        options.extraArguments = ["--max-txn-ops=8"]
        try await withEtcdCluster(options) { cluster in
            try await withFaultProxy(to: try #require(cluster.endpoints.first)) { proxy in
                let transactions = Transactions()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                transactions.attach(to: &configuration)
                try await withEtcdClient(configuration) { client in
                    let session = try await Session(client, timeToLive: .seconds(60))
                    await proxy.delay(.milliseconds(5), .toClient)
                    for _ in 0..<4 {
                        await release(try await acquire((0..<60).map { "lock-\($0)" }, on: session))
                    }
                    let refused = transactions.count(.tooManyOperations)
                    #expect(refused > 0, "the control")
                    #expect(refused <= 12)
                    await release(try await acquire((0..<60).map { "lock-\($0)" }, on: session))
                    #expect(transactions.count(.tooManyOperations) == refused)
                    await session.close()
                }
            }
        }
    }

    @Test("a batch that may have taken effect, as for want of space, is not made again in parts")
    func noSpace() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--quota-backend-bytes=\(4 << 20)"])
        try await withEtcdCluster(options) { cluster in
            try await withFaultProxy(to: try #require(cluster.endpoints.first)) { proxy in
                let transactions = Transactions()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                transactions.attach(to: &configuration)
                try await withEtcdClient(configuration) { client in
                    let session = try await Session(client, timeToLive: .seconds(60))
                    let value = Value(String(repeating: "x", count: 500_000))
                    await expectError(.noSpace) { for _ in 0..<200 { try await client.put("k", value) } }
                    await proxy.delay(.milliseconds(5), .toClient)
                    await withDiscardingTaskGroup { group in
                        for number in 0..<60 {
                            group.addTask {
                                let lock = try? DistributedLock("lock-\(number)", on: .session(session))
                                await expectError(.noSpace) { try await lock?.acquire() }
                            }
                        }
                    }
                    // Four alone, and then the others in one or two.
                    let count = transactions.count(.noSpace)
                    #expect((1...30).contains(count), "\(count)")
                    await session.close()
                }
            }
        }
    }

    @Test("a key that the user may not write fails alone")
    func permission() async throws {
        try await withAuthenticatingEtcd([Permission(.readWrite, .prefix("mine/"))]) { _, worker in
            let session = try await Session(worker, timeToLive: .seconds(60))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<60 {
                    group.addTask {
                        let isMine = number % 6 != 0
                        let lock = try DistributedLock("\(isMine ? "mine" : "other")/\(number)", on: .session(session))
                        if isMine {
                            try await lock.withLock { #expect($0.isHeld) }
                        } else {
                            await expectError(.permissionDenied) { try await lock.acquire() }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(session.isAlive)
            await session.close()
        }
    }

    @Test("an acquisition that is cancelled without answers of etcd ends soon, and leaves no key; others go on")
    func cancellation() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(60))
            await proxy.stall(.toClient)
            let tasks = (0..<40).map { number in
                Task { try await DistributedLock("lock-\(number)", on: .session(session)).acquire() }
            }
            try await eventually("keys are there") { try await witness.range(.prefix("lock-")).count > 0 }
            let start = ContinuousClock.now
            for task in tasks.prefix(20) { task.cancel() }
            for task in tasks.prefix(20) { await expectCancellation { try await task.value } }
            #expect(ContinuousClock.now - start < .seconds(3))
            await proxy.resume()
            for task in tasks.dropFirst(20) {
                let grant = try await task.value
                #expect(grant.isHeld)
            }
            try await eventually("only the keys of the others are there") {
                try await witness.range(.prefix("lock-")).count == 20
            }
            await session.close()
            #expect(try await witness.range(.prefix("lock-")).count == 0)
        }
    }

    @Test("acquisitions under way end soon after the session is closed, also while etcd does not answer")
    func closedSession() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let session = try await Session(client, timeToLive: .seconds(60))
            await proxy.stall(.toClient)
            let tasks = (0..<40).map { number in
                Task { try await DistributedLock("lock-\(number)", on: .session(session)).acquire() }
            }
            try await Task.sleep(for: .milliseconds(50))
            let start = ContinuousClock.now
            await session.close(timeout: .zero)
            for task in tasks { await expectLoss(.closed) { try await task.value } }
            #expect(ContinuousClock.now - start < .seconds(3))
            await proxy.resume()
        }
    }

    @Test("batches whose answers get lost leave each lock with one key, and none after the release")
    func lostAnswers() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let transactions = Transactions()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                transactions.attach(to: &configuration)
                let client = try EtcdClient(configuration)
                let witness = try EtcdClient(endpoints: endpoint)
                let session = try await Session(client, timeToLive: .seconds(60))
                // Long enough for a slow machine to get something done.
                try await proxy.breakConnections(every: 0...200) {
                    for round in 0..<200 where round < 10 || transactions.count(.ambiguous) == 0 {
                        let grants = try await acquire((0..<40).map { "lock-\($0)" }, on: session)
                        let entries = try await witness.range(.prefix("lock-")).entries
                        #expect(Set(grants.map(\.key)).isSubset(of: entries.map(\.key)))
                        for grant in grants { #expect(grant.isHeld) }
                        await release(grants)
                    }
                }
                try await eventually("no key is left") { try await witness.range(.prefix("lock-")).count == 0 }
                #expect(session.isAlive)
                #expect(transactions.count(.ambiguous) > 0, "the control: some outcomes were unknown")
                await session.close()
                await client.close()
                await witness.close()
            }
        }
    }
}
