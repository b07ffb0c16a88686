// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

@Suite("DistributedLock: many waiters", .cluster, .timeLimit(.minutes(3)))
struct ManyWaitersTests {
    /// How many transactions the member has answered, and how many messages it has sent to watches.
    private struct Figures {
        let transactions: Double
        let watchMessages: Double

        init(_ member: EtcdMember) async throws {
            let transactions = #"{grpc_code="OK",grpc_method="Txn",grpc_service="etcdserverpb.KV",grpc_type="unary"}"#
            let watches = #"{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"}"#
            self.transactions = try await member.metric("grpc_server_handled_total\(transactions)") ?? 0
            watchMessages = try await member.metric("grpc_server_msg_sent_total\(watches)") ?? 0
        }
    }

    @Test("a release wakes one of 500 waiters, and costs as much as with 10", arguments: [10, 500])
    func release(waiters count: Int) async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            try await withEtcdClient(endpoints: member.endpoint) { client in
                try await client.withSession(timeToLive: .seconds(60)) { session in
                    let lock = try DistributedLock("lock", on: .session(session))
                    let granted = Lock<[LockGrant]>([try await lock.acquire()])
                    try await withThrowingDiscardingTaskGroup { group in
                        for _ in 0..<count {
                            group.addTask {
                                let grant = try await lock.acquire()
                                granted.withLock { $0.append(grant) }
                            }
                        }
                        try await eventually(within: .seconds(60), "all wait") {
                            try await lock.queue().count == count + 1
                        }
                        try await Self.awaitQuiet(member)

                        // One after the other: each release wakes exactly one waiter, which reads once.
                        for released in 1...5 {
                            let before = try await Figures(member)
                            await granted.withLock { $0.last }?.release()
                            try await eventually("the next has it") { granted.withLock { $0.count } == released + 1 }
                            try await Self.awaitQuiet(member)
                            let after = try await Figures(member)
                            let transactions = after.transactions - before.transactions
                            #expect((1...2).contains(transactions), "a read, and one once the hold is not young")
                            #expect(after.watchMessages - before.watchMessages <= 6)
                            #expect(granted.withLock { $0.count } == released + 1)
                        }

                        // All the others, as fast as they can.
                        let (before, start) = (try await Figures(member), ContinuousClock.now)
                        for released in 6...count {
                            await granted.withLock { $0.last }?.release()
                            try await eventually("the next has it") { granted.withLock { $0.count } == released + 1 }
                        }
                        let (after, time) = (try await Figures(member), ContinuousClock.now - start)
                        let releases = Double(count - 5)
                        // Waiters far back read once more, since they did not know all the keys before theirs.
                        #expect(after.transactions - before.transactions <= 3 * releases)
                        #expect(time < .seconds(60))
                        print(
                            """
                            \(count) waiters: \((after.transactions - before.transactions) / releases) transactions and \
                            \((after.watchMessages - before.watchMessages) / releases) messages of watches a release, \
                            \(time / releases) each
                            """
                        )
                    }
                    let tokens = granted.withLock { $0.map(\.fencingToken) }
                    #expect(tokens == tokens.sorted(), "they were served in the order in which they came")
                    await granted.withLock { $0.last }?.release()
                    #expect(try await lock.queue().isEmpty)
                }
            }
        }
    }

    @Test("the control: waiters that all look at the holder are all woken")
    func herd() async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            try await withEtcdClient(endpoints: member.endpoint) { client in
                let (key, waiters) = (Key("herd"), 50)
                let revision = try await client.put(key, "").header.revision
                let before = try await Figures(member)
                try await withThrowingDiscardingTaskGroup { group in
                    for _ in 0..<waiters {
                        group.addTask {
                            try await client.awaitChange(in: .key(key), after: revision) { $0.kind == .delete }
                            try await client.transaction(then: [.get(key)])
                        }
                    }
                    try await client.delete(key)
                }
                let after = try await Figures(member)
                #expect(Int(after.transactions - before.transactions) == waiters)
                #expect(Int(after.watchMessages - before.watchMessages) >= waiters)
            }
        }
    }

    /// Waits until the member is idle.
    private static func awaitQuiet(_ member: EtcdMember) async throws {
        var since = ContinuousClock.now
        var last = try await Figures(member)
        try await eventually("the member is quiet") {
            let now = try await Figures(member)
            let isSame = now.transactions == last.transactions && now.watchMessages == last.watchMessages
            if !isSame { since = .now }
            last = now
            // The read of a hold that is no longer young has been made by then.
            return since.duration(to: .now) > HoldWatcher.patience * 2
        }
    }
}
