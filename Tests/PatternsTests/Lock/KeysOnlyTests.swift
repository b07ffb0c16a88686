// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Keys-only ranges have no leases in etcd 3.7.
///
/// The other suites of the patterns run through the relay by `ETCD_RELAY=3.7`.
@Suite("Queue: through a relay that answers as etcd 3.7 does", .cluster, .timeLimit(.minutes(2)))
struct KeysOnlyTests {
    private func withRelay(
        _ body: (_ relay: KeysOnlyRelay, _ session: Session, _ name: Key) async throws -> Void
    ) async throws {
        try await withEtcdCluster { cluster in
            let relay = try KeysOnlyRelay(to: try #require(cluster.endpoints.first))
            try await withEtcdClient(endpoints: relay.endpoint) { client in
                let session = try await Session(client)
                try await body(relay, session, "name")
                await session.close()
            }
        }
    }

    @Test("the control: the relay removes the leases from keys-only ranges only, also within transactions")
    func control() async throws {
        try await withRelay { relay, session, name in
            let (client, lease) = (session.client, session.lease.id)
            for number in 0..<300 { try await client.put(name + "/\(number)", "value", lease: lease) }
            var keysOnly = RangeOptions()
            keysOnly.keysOnly = true
            let range = KeyRange.prefix(name + "/")
            let direct = try await client.range(range, options: keysOnly).entries
            let operation = TransactionOperation.range(range, options: keysOnly)
            let nested = try await client.transaction(
                if: [.isMissing(name)],
                then: [.get(name + "/0"), .transaction(if: [.exists(name)], then: [], else: [.get("x"), operation])],
                else: [operation]
            )
            guard case .transaction(let inner)? = nested.results.last else {
                Issue.record("\(nested)")
                return
            }
            let within = inner.results.last?.entries ?? []
            #expect(direct.count == 300 && within == direct)
            #expect(direct.allSatisfy { $0.lease == nil && $0.createRevision > 0 && $0.version == 1 })
            #expect(nested.results.first?.entries.map(\.lease) == [lease])
            #expect(relay.droppedLeases.withLock { $0 } == 600)
            // By value, 3.7 reads the entries.
            keysOnly.sort = .ascending(by: .value)
            let sorted = try await client.range(range, options: keysOnly).entries
            #expect(sorted.count == 300 && sorted.allSatisfy { $0.lease == lease && $0.value == "" })
            let whole = try await client.range(range).entries
            #expect(whole.allSatisfy { $0.lease == lease && $0.value == "value" })
        }
    }

    @Test("waiters for locks, read-write locks, semaphores and elections get their turns")
    func waiters() async throws {
        try await withRelay { relay, session, name in
            let lock = try DistributedLock("\(name + "/lock")", on: .session(session))
            let readWriteLock = try ReadWriteLock("\(name + "/rw")", on: .session(session))
            let semaphore = try Semaphore("\(name + "/semaphore")", limit: 1, on: .session(session))
            let election = try LeaderElection("\(name + "/election")", candidate: "", on: .session(session))
            let (writer, slot) = (try await readWriteLock.writing.acquire(), try await semaphore.acquire())
            let (holder, term) = (try await lock.acquire(), try await election.campaign())
            let waiting = (0..<3).map { _ in
                [
                    Task { await (try await lock.acquire()).release() },
                    Task { await (try await readWriteLock.reading.acquire()).release() },
                    Task { await (try await readWriteLock.writing.acquire()).release() },
                    Task { await (try await semaphore.acquire()).release() },
                    Task { await (try await election.campaign()).resign() },
                ]
            }
            .joined()
            try await eventually("all wait") {
                try await session.client.range(.prefix(name + "/")).count == Int64(waiting.count + 5)
            }
            for hold in [holder.hold, writer.hold, slot.hold] { await hold.release() }
            await term.resign()
            for task in waiting { try await task.value }
            #expect(
                try await session.client.range(.prefix(name + "/")).entries.map(\.key) == [name + "/semaphore/limit"]
            )
        }
    }

    @Test("a mirror of keys with leases accepts a keys-only answer without leases")
    func mirror() throws {
        var (entry, header) = (KeyValue("k", "v", at: 5), ResponseHeader())
        (entry.leaseID, header.revision) = (7, 10)
        var state = MirrorState(.all)
        state.replace(with: SortedEntries([entry]), at: header)
        let inquiry = state.inquiry
        var answer = RangeResponse()
        (entry.leaseID, entry.value, header.revision) = (0, "", 11)
        (answer.header, answer.entries, answer.count) = (header, [entry], 1)
        #expect(state.judge(answer, inquiry) == .current)
        #expect(inquiry.question.keysOnly, "the control: the mirror asks for keys only")
    }

    @Test("a transaction that writes reads no more of the queue than its length")
    func join() async throws {
        try await withRelay { relay, session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let readWriteLock = try ReadWriteLock("\(name)", on: .session(session))
            let semaphore = try Semaphore("\(name + "-semaphore")", limit: 2, on: .session(session))
            let waiting = (0..<4).map { _ in
                [
                    Task { await (try await lock.acquire()).release() },
                    Task { await (try await readWriteLock.reading.acquire()).release() },
                    Task { await (try await semaphore.acquire()).release() },
                ]
            }
            .joined()
            for task in waiting { try await task.value }
            let writes = relay.transactions.withLock { $0 }.map { $0.success + $0.failure }.filter { operations in
                operations.contains { $0.put != nil }
            }
            #expect(writes.count >= waiting.count, "the control: the relay has seen them")
            let ranges = writes.joined().compactMap(\.range).filter { !$0.rangeEnd.isEmpty }
            #expect(!ranges.isEmpty && ranges.allSatisfy { $0.countOnly && $0.sortOrder == .none })
        }
    }
}
