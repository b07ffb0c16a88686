// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// A restored store has the sessions of the backup, and not their later changes.
///
/// Work on such a session must not go on for ever.
///
/// The second argument lets the restored store grow, until its revision is higher than any that was seen before; its term
/// of Raft is the same, since both stores are young.
@Suite("Session: in a store that was restored from a backup", .cluster, .timeLimit(.minutes(3)))
struct RestoredStoreTests {
    private static let timeToLive = Duration.seconds(5)

    private func session(_ store: RestorableStore) async throws -> Session {
        try await Session(store.client, timeToLive: Self.timeToLive)
    }

    /// Acquires a lock between a backup and its restoration, and expects it to be lost, and another session to get it.
    private func expectLossOfForgotten(
        growth: Int,
        _ acquire: @Sendable (Session) async throws -> LockGrant
    ) async throws {
        try await RestorableStore.lend { store in
            let holder = try await session(store)
            let other = try await session(store)
            try await store.save()
            let grant = try await acquire(holder)
            try await store.restore(growingBy: growth)
            #expect(try await store.witness.get(grant.key) == nil, "the control: the store has forgotten it")
            try await eventually("it is lost") { !grant.isHeld }
            // Another gets it, with a session that the backup knows or with a new one.
            let next: LockGrant
            if other.isAlive, let grant = try? await acquire(other) {
                next = grant
            } else {
                next = try await acquire(try await session(store))
            }
            #expect(next.isHeld && !grant.isHeld)
            await next.release()
            await grant.release()
            for session in [holder, other] { await session.close() }
        }
    }

    @Test("a lock that was forgotten is lost", arguments: [0, 100])
    func forgottenLock(growth: Int) async throws {
        try await expectLossOfForgotten(growth: growth) { session in
            try await DistributedLock("lock", on: .session(session)).acquire(timeout: .seconds(20))
        }
    }

    @Test("a lock for reading that was forgotten is lost, and a writer gets the lock", arguments: [0, 100])
    func forgottenReader(growth: Int) async throws {
        let isFirst = Lock(true)
        try await expectLossOfForgotten(growth: growth) { session in
            let lock = try ReadWriteLock("lock", on: .session(session))
            let reads = isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst
            }
            return try await reads
                ? lock.reading.acquire(timeout: .seconds(20)) : lock.writing.acquire(timeout: .seconds(20))
        }
    }

    @Test("a slot of a semaphore that was forgotten is lost", arguments: [0, 100])
    func forgottenSlot(growth: Int) async throws {
        try await expectLossOfForgotten(growth: growth) { session in
            let slot = try await Semaphore("slots", limit: 1, on: .session(session)).acquire(timeout: .seconds(20))
            return LockGrant(hold: slot.hold)
        }
    }

    @Test("a lock that was released and comes back with the backup goes again, with its session", arguments: [0, 100])
    func released(growth: Int) async throws {
        try await RestorableStore.lend { store in
            let holder = try await session(store)
            let lock = try await DistributedLock("lock", on: .session(holder)).acquire()
            let slot = try await Semaphore("slots", limit: 1, on: .session(holder)).acquire()
            try await store.save()
            await lock.release()
            await slot.release()
            try await store.restore(growingBy: growth)
            #expect(try await store.witness.get(lock.key) != nil, "the control: it is back")
            // Without a check, the session would be renewed, and with it a lock without a holder.
            #expect(try await holder.lost.reason == .revisionRegressed)
            let client = store.witness
            let again = try await DistributedLock("lock", on: .client(client)).acquire(timeout: .seconds(30))
            let slotAgain = try await Semaphore("slots", limit: 1, on: .client(client)).acquire(timeout: .seconds(30))
            await again.release()
            await slotAgain.release()
            await holder.close()
        }
    }

    @Test("a waiter that was forgotten does not wait for ever", arguments: [0, 100])
    func waiter(growth: Int) async throws {
        try await RestorableStore.lend { store in
            let holder = try await session(store)
            let waiting = try await session(store)
            let grant = try await DistributedLock("lock", on: .session(holder)).acquire()
            try await store.save()
            let waiter = Task { try await DistributedLock("lock", on: .session(waiting)).acquire() }
            try await eventually("it waits") { try await store.witness.range(.prefix("lock/")).count == 2 }
            try await store.restore(growingBy: growth)
            #expect(try await store.witness.range(.prefix("lock/")).entries.map(\.key) == [grant.key])
            let loss = await #expect(throws: CoordinationLoss.self) { try await waiter.value }
            #expect([.keyDeleted, .revisionRegressed].contains(loss?.reason), "\(loss as Any)")
            for session in [holder, waiting] { await session.close() }
        }
    }

    @Test("of two leaders with one token, the forgotten one loses its term", arguments: [0, 100])
    func leaders(growth: Int) async throws {
        try await RestorableStore.lend { store in
            let sessions = [try await session(store), try await session(store)]
            let elections = try sessions.enumerated().map {
                try LeaderElection("leader", candidate: Value("\($0.offset)"), on: .session($0.element))
            }
            try await store.save()
            let old = try await elections[0].campaign()
            try await store.restore(growingBy: growth)
            #expect(try await store.witness.get(old.key) == nil, "the control: the store has forgotten it")
            // A candidate with a session of its own.
            let newcomer = try LeaderElection("leader", candidate: "new", on: .client(store.witness))
            let new = try await newcomer.campaign(timeout: .seconds(20))
            let distance = new.fencingToken.rawValue - old.fencingToken.rawValue
            if growth == 0 { #expect(distance <= 2, "the control: tokens repeat") }
            try await eventually("the old one leads no more") { !old.isHeld && !elections[0].isLeader }
            #expect(new.isHeld)
            await new.resign()
            for session in sessions { await session.close() }
        }
    }

    @Test("candidates in a leadership loop go on, and one leads", arguments: [0, 100])
    func run(growth: Int) async throws {
        try await RestorableStore.lend { store in
            let elections = try (0..<3).map {
                try LeaderElection("leader", candidate: "\($0)", on: .client(store.client, timeToLive: Self.timeToLive))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for election in elections {
                    group.addTask { try await election.run { term in _ = try await term.lost } }
                }
                try await eventually("all stand") { try await elections[0].candidates().count == 3 }
                try await store.save()
                // Now other candidates than in the backup are first.
                for _ in 1...2 {
                    let leader = elections.first { $0.isLeader }
                    await leader?.currentTerm?.resign()
                    try await eventually("another leads") { elections.contains { $0.isLeader } }
                }
                try await store.restore(growingBy: growth)
                try await eventually(within: .seconds(40), "one leads, as the store has it") {
                    let leading = elections.compactMap { $0.currentTerm?.key }
                    let candidates = try await elections[0].candidates()
                    return leading.count == 1 && candidates.first?.key == leading.first && candidates.count == 3
                }
                group.cancelAll()
            }
        }
    }

    @Test("waiters at a gate that was closed after the backup pass; a gate that was opened after it is broken")
    func barrier() async throws {
        try await RestorableStore.lend { store in
            let closer = try await session(store)
            let opened = try Barrier("opened", on: .session(closer))
            let closed = try Barrier("closed", on: .session(closer))
            let grant = try #require(try await opened.raise())
            try await store.save()
            try await grant.lower()
            let forgotten = try #require(try await closed.raise())
            let waiter = Task { try await Barrier("closed", on: .client(store.client)).wait() }
            try await eventually("it waits") { try await store.cluster.members[0].watcherCount >= 3 }
            try await store.restore()
            #expect(try await store.witness.get("closed/raised") == nil, "the control: it was never closed")
            try await waiter.value
            // The gate that was opened is closed again, and its closer does not know it.
            #expect(try await store.witness.get("opened/raised") != nil, "the control: it is back")
            await #expect(throws: BarrierBroken.self) {
                try await Barrier("opened", on: .client(store.client)).wait(timeout: .seconds(40))
            }
            #expect(!forgotten.isHeld)
            await closer.close()
        }
    }

    @Test("a waiter that its double barrier has forgotten gets the loss")
    func doubleBarrier() async throws {
        try await RestorableStore.lend { store in
            let session = try await session(store)
            try await store.save()
            let waiter = Task { try await DoubleBarrier("batch", count: 2, on: .session(session)).enter() }
            try await eventually("it waits") { try await store.witness.range(.prefix("batch/")).count == 1 }
            try await store.restore()
            #expect(try await store.witness.range(.prefix("batch/")).count == 0, "the control: it is forgotten")
            await #expect(throws: CoordinationLoss.self) { try await waiter.value }
            await session.close()
        }
    }

    @Test("a session checks the store once after each interruption, and not otherwise")
    func looks() async throws {
        let ranges = Lock(0)
        try await RestorableStore.lend {
            $0.onEvent = { event in
                if case .callStarted(let call) = event, call.method.hasSuffix("/Range") { ranges.withLock { $0 += 1 } }
            }
        } _: { store in
            let session = try await Session(store.client, timeToLive: .seconds(2))
            var states = session.states.makeAsyncIterator()
            for _ in 1...4 { _ = await states.next() }
            #expect(ranges.withLock { $0 } == 0, "the control: renewals alone read nothing")
            for count in 1...2 {
                await store.proxy.cut()
                try await eventually("it has looked") { ranges.withLock { $0 } == count }
                for _ in 1...3 { _ = await states.next() }
                #expect(ranges.withLock { $0 } == count)
            }
            #expect(session.isAlive)
            await session.close()
        }
    }

    @Test("a wait for a change ends if the store is behind its first revision")
    func beginsBehind() async throws {
        try await withLiveClient { client, name in
            let revision = try await client.put(name, "").header.revision
            let future = Revision(rawValue: revision.rawValue + 1_000_000)
            #expect(try await !client.awaitChange(in: .key(name), after: future) { _ in true })
            // The control: a wait from the present revision, on the existing stream, goes on.
            let waiter = Task { try await client.awaitChange(in: .key(name), after: revision) { _ in true } }
            try await client.put(name, "")
            #expect(try await waiter.value)
        }
    }
}

extension EtcdMember {
    fileprivate var watcherCount: Double {
        get async throws { try await metric("etcd_debugging_mvcc_watcher_total") ?? 0 }
    }
}
