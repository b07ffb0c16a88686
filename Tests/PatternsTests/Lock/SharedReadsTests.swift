// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Queue: shared reads of waiters", .cluster, .timeLimit(.minutes(2)))
struct SharedReadsTests {
    /// The requests of a client, and the sizes of their answers.
    private struct Traffic {
        var transactions = 0
        var bytes = 0
        var underWay = 0
        var mostUnderWay = 0

        /// A copy of `client` on connections of its own that counts.
        static func counting(_ client: EtcdClient, in traffic: Lock<Traffic>) throws -> EtcdClient {
            var configuration = client.configuration
            configuration.onEvent = { event in
                switch event {
                case .callStarted(let call) where call.method.hasSuffix("/Txn"):
                    traffic.withLock {
                        $0.underWay += 1
                        $0.mostUnderWay = max($0.mostUnderWay, $0.underWay)
                    }
                case .callFinished(let call, let outcome) where call.method.hasSuffix("/Txn"):
                    traffic.withLock {
                        $0.underWay -= 1
                        $0.transactions += 1
                        $0.bytes += outcome.responseSize
                    }
                default: break
                }
            }
            return try EtcdClient(configuration)
        }
    }

    enum Kind: CaseIterable {
        case lock, reader, semaphore

        func acquire(_ client: EtcdClient, _ session: Session) async throws -> LockGrant {
            switch self {
            case .lock: try await DistributedLock("q", on: .session(session)).acquire()
            case .reader: try await ReadWriteLock("q", on: .session(session)).reading.acquire()
            case .semaphore:
                LockGrant(hold: try await Semaphore("q", limit: 1, on: .session(session)).acquire().hold)
            }
        }

        func block(_ session: Session) async throws -> LockGrant {
            if self == .reader { return try await ReadWriteLock("q", on: .session(session)).writing.acquire() }
            return try await acquire(session.client, session)
        }
    }

    @Test("many waiters that come at once read a queue a few times, and each finds its place", arguments: Kind.allCases)
    func fewReads(kind: Kind) async throws {
        let count = 200
        try await withProxiedEtcd { proxy, direct, witness in
            let blocker = try await kind.block(try await Session(witness, timeToLive: .seconds(60)))
            let traffic = Lock(Traffic())
            let client = try Traffic.counting(direct, in: traffic)
            var opened: [Session] = []
            for _ in 0..<4 { opened.append(try await Session(client, timeToLive: .seconds(60))) }
            let sessions = opened
            // So that waiters come while others read.
            await proxy.delay(.milliseconds(50), .toClient)
            let order = Lock<[Revision]>([])
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<count {
                    group.addTask {
                        let grant = try await kind.acquire(client, sessions[number % sessions.count])
                        order.withLock { $0.append(grant.fencingToken) }
                        await grant.release()
                    }
                }
                try await awaitQuiet(traffic, atLeast: count)
                let joined = traffic.withLock { $0 }
                let reads = joined.transactions - count
                print("\(count) of kind \(kind): \(reads) reads, \(joined.bytes / count) bytes each")
                #expect(reads <= count / 4, "without sharing, each would read")
                #expect(reads > 0, "the control: they do read")
                #expect(order.withLock { $0 } == [], "the control: they wait")
                // And those that read.
                #expect(joined.mostUnderWay <= JoinGate.width + 4, "the gate bounds the load of etcd")
                await proxy.delay(.zero, .toClient)
                await blocker.release()
            }
            let tokens = order.withLock { $0 }
            #expect(tokens.count == count)
            if kind == .lock { #expect(tokens == tokens.sorted(), "in the order in which they came") }
            for session in sessions { await session.close() }
            await client.close()
        }
    }

    private func awaitQuiet(_ traffic: Lock<Traffic>, atLeast count: Int) async throws {
        try await eventually(within: .seconds(60), "all have joined and read") {
            let before = traffic.withLock { $0.transactions }
            try await Task.sleep(for: .milliseconds(500))
            return before > count && before == traffic.withLock { $0.transactions }
        }
    }

    /// Puts a queue of `count` keys, and returns what each of them reads.
    private func questions(_ client: EtcdClient, _ count: Int) async throws -> [(key: Key, section: QueueSection)] {
        let lease = try await client.leases.grant(timeToLive: .seconds(60))
        var questions: [(key: Key, section: QueueSection)] = []
        for number in 0..<count {
            let key = Key("q/\((number * 37) % 101)-\(number)")
            let revision = try await client.put(key, Value("\(number)"), lease: lease.id).header.revision
            let section = QueueSection(ranges: [.prefix("q/")], end: revision, limit: 8, count: number)
            questions.append((key, section))
        }
        return questions
    }

    @Test("each waiter gets its own answer, whatever the server's limit of operations is")
    func answers() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--max-txn-ops=7"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                let questions = try await questions(client, 100)
                try await client.put("more", "x")
                let reads = SharedReads()
                for _ in 0..<2 {
                    try await withThrowingDiscardingTaskGroup { group in
                        for (number, question) in questions.enumerated().shuffled() {
                            group.addTask {
                                let more = [TransactionOperation.get("more")]
                                let answer = try await reads.read(
                                    [question.key, "missing"],
                                    more,
                                    question.section,
                                    for: client
                                )
                                #expect(answer.entries.map(\.?.key) == [question.key, nil])
                                #expect(answer.more.first?.entries.first?.value == "x")
                                let found = try #require(answer.section?.first)
                                let values = found.entries.map { "\($0.value)" }
                                let expected = (max(0, number - 8)..<number).reversed().map { "\($0)" }
                                #expect(expected.starts(with: values) && values.isEmpty == expected.isEmpty)
                                #expect(found.more || values.count == number)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test("a reader with a shorter timeout does not wait for the read of others")
    func timeouts() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let questions = try await questions(witness, 2)
            let (reads, first, second) = (client.sharedReads, questions[0], questions[1])
            // It is connected.
            _ = try await reads.read([first.key], [], first.section, for: client)
            await proxy.stall()
            let isDone = Lock(false)
            let patient = Task {
                defer { isDone.withLock { $0 = true } }
                return try await reads.read([first.key], [], first.section, for: client)
            }
            try await Task.sleep(for: .milliseconds(100))
            let hurried = client.with(timeout: .milliseconds(300))
            await #expect(throws: EtcdError.self) {
                _ = try await reads.read([second.key], [], second.section, for: hurried)
            }
            #expect(!isDone.withLock { $0 })
            await proxy.resume()
            #expect(try await patient.value.entries.first??.key == first.key)
        }
    }

    @Test("a waiter that gives up does not end the read of the others, and a closed client fails all")
    func cancellation() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let questions = try await questions(witness, 6)
            let reads = client.sharedReads
            // It is connected.
            _ = try await reads.read([questions[0].key], [], questions[0].section, for: client)
            await proxy.stall()
            let tasks = questions.map { question in
                Task { try await reads.read([question.key], [], question.section, for: client) }
            }
            try await Task.sleep(for: .milliseconds(100))
            for task in tasks.prefix(3) { task.cancel() }
            for task in tasks.prefix(3) { await expectError(.cancelled) { try await task.value } }
            await proxy.resume()
            for (task, question) in zip(tasks, questions).dropFirst(3) {
                #expect(try await task.value.entries.first??.key == question.key)
            }
            await proxy.stall()
            let others = questions.map { question in
                Task { try await reads.read([question.key], [], question.section, for: client) }
            }
            try await Task.sleep(for: .milliseconds(100))
            await client.close()
            for task in others { await expectError(.clientClosed) { try await task.value } }
            await expectError(.clientClosed) {
                try await reads.read([questions[0].key], [], questions[0].section, for: client)
            }
        }
    }
}
