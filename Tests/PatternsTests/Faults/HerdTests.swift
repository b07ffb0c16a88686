// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

/// Many waiters in one queue, on many sessions: 100, or so many times more as `ETCD_TEST_SCALE` says.
@Suite("Queue: herds of waiters", .slow, .serialized, .timeLimit(.minutes(TestScale.minutes)))
struct HerdTests {
    private static let count = 100 * TestScale.factor
    private static let slots = 50
    /// Bounds all that is waited for.
    private static let bound = Duration.seconds(60 * TestScale.minutes)

    enum Kind: String, CaseIterable {
        case lock, reader, writer, semaphore, candidate

        func acquire(_ session: Session) async throws -> LockGrant {
            switch self {
            case .lock: try await DistributedLock("herd", on: .session(session)).acquire()
            case .reader: try await ReadWriteLock("herd", on: .session(session)).reading.acquire()
            case .writer: try await ReadWriteLock("herd", on: .session(session)).writing.acquire()
            case .semaphore:
                LockGrant(
                    hold: try await Semaphore("herd", limit: HerdTests.slots, on: .session(session)).acquire().hold
                )
            case .candidate:
                LockGrant(
                    hold: try await LeaderElection("herd", candidate: "me", on: .session(session)).campaign().hold
                )
            }
        }

        /// Keeps all of the herd waiting.
        func block(_ session: Session) async throws -> [LockGrant] {
            var grants: [LockGrant] = []
            let count = self == .semaphore ? HerdTests.slots : 1
            for _ in 0..<count {
                grants.append(try await self == .reader ? Kind.writer.acquire(session) : acquire(session))
            }
            return grants
        }
    }

    /// The actions of the member so far.
    private struct Figures {
        var transactions: Double
        var bytes: Double

        init(_ member: EtcdMember) async throws {
            let labels = #"{grpc_code="OK",grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#
            transactions = try await member.metric("grpc_server_handled_total\(labels)") ?? 0
            bytes = try await member.metric("etcd_network_client_grpc_sent_bytes_total") ?? 0
        }
    }

    @Test("a wake costs as much in a large herd as in a small one, and no session is lost", arguments: Kind.allCases)
    func herd(kind: Kind) async throws {
        let count = Self.count
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            var clients: [EtcdClient] = []
            var sessions: [Session] = []
            for _ in 0..<10 {
                let client = try EtcdClient(endpoints: member.endpoint)
                clients.append(client)
                for _ in 0..<5 { sessions.append(try await Session(client, timeToLive: .seconds(15))) }
            }
            let first = try #require(sessions.first)
            let blockers = try await kind.block(first)
            let (start, empty) = (ContinuousClock.now, try await Figures(member))
            let served = Lock(0)
            // The error of a waiter; then the test does not wait for the others.
            let failure = Lock<(any Error)?>(nil)
            try await withThrowingDiscardingTaskGroup { group in
                for number in 0..<count {
                    group.addTask { [session = sessions[number % sessions.count]] in
                        do {
                            let grant = try await kind.acquire(session)
                            served.withLock { $0 += 1 }
                            await grant.release()
                        } catch {
                            failure.withLock { $0 = $0 ?? error }
                            throw error
                        }
                    }
                }
                try await eventually(within: Self.bound, "all wait") {
                    var options = RangeOptions()
                    options.countOnly = true
                    let prefix: Key = kind == .semaphore ? "herd/queue/" : "herd/"
                    if let error = failure.withLock({ $0 }) { throw error }
                    let there = try await first.client.range(.prefix(prefix), options: options).count
                    try await Task.sleep(for: .milliseconds(50))
                    return there == Int64(count + (kind == .semaphore ? 0 : 1))
                }
                try await awaitQuiet(member)
                #expect(served.withLock { $0 } == 0, "the control: no waiter was served")
                let (joined, waiting) = (ContinuousClock.now, try await Figures(member))
                for blocker in blockers { await blocker.release() }
                try await eventually(within: Self.bound, "all were served") {
                    if let error = failure.withLock({ $0 }) { throw error }
                    try await Task.sleep(for: .milliseconds(50))
                    return served.withLock { $0 } == count
                }
                let (done, end) = (try await Figures(member), ContinuousClock.now)
                let wakes = Double(count)
                let transactions = (done.transactions - waiting.transactions) / wakes
                let bytes = (done.bytes - waiting.bytes) / wakes
                print(
                    """
                    herd of \(count), \(kind.rawValue): all waited after \(joined - start), with \
                    \((waiting.transactions - empty.transactions) / wakes) transactions and \
                    \(Int((waiting.bytes - empty.bytes) / wakes)) bytes each; all were served after \(end - joined), with \
                    \(transactions) transactions and \(Int(bytes)) bytes each
                    """
                )
                // A deletion and reads; for a slot a claim, too, and the read of the next waiter.
                #expect(transactions <= (kind == .semaphore ? 9 : 4))
                // Two watches get events of two keys, and a read returns the known keys.
                #expect(bytes <= 8_000)
            }
            #expect(sessions.count { !$0.isAlive } == 0, "sessions were lost")
            for session in sessions { await session.close() }
            for client in clients { await client.close() }
        }
    }

    /// Waits until the member is idle.
    private func awaitQuiet(_ member: EtcdMember) async throws {
        var last = try await Figures(member).transactions
        try await eventually(within: Self.bound, "the member is quiet") {
            try await Task.sleep(for: .milliseconds(500))
            let now = try await Figures(member).transactions
            defer { last = now }
            return now == last
        }
    }
}
