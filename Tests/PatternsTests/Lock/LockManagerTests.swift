// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LockManager", .cluster, .timeLimit(.minutes(2)))
struct LockManagerTests {
    @Test("its locks are plain locks under its prefix")
    func names() async throws {
        try await withSession { session, name in
            let manager = try LockManager("\(name)", on: .session(session))
            let grant = try await DistributedLock("\(name + "/a")", on: .session(session)).acquire()
            #expect(try await manager.lock("a").acquireIfAvailable() == nil)
            #expect(try await manager.readWriteLock("a").reading.acquireIfAvailable() == nil)
            #expect(try await manager.acquireIfAvailable(["b", "a"]) == nil)
            await expectBusy { try await manager.acquire(["a", "b"], timeout: .seconds(2)) }
            await grant.release()
            #expect(try await manager.lock("a").withLockIfAvailable { _ in true } == true)

            #expect(throws: EtcdError.self) { try LockManager("", on: .session(session)) }
            await expectError(.emptyKey) { try manager.lock("") }
            await expectError(.invalidArgument) { try manager.lock("a/b") }
            await expectError(.invalidArgument) { try await manager.acquire([]) }
            await expectError(.invalidArgument) { try await manager.acquireIfAvailable(["a", "b/c"]) }
            #expect(try await session.client.range(.prefix(name + "/")).count == 0)
        }
    }

    @Test("several locks are acquired in one order, whatever the order of the names, and each once")
    func several() async throws {
        try await withSession { session, name in
            let manager = try LockManager("\(name)", on: .session(session))
            try await manager.withLocks(["c", "a", "b", "a"]) { locks in
                #expect(locks.grants.keys.sorted() == ["a", "b", "c"])
                let tokens = ["a", "b", "c"].compactMap { locks.grants[$0]?.fencingToken }
                #expect(tokens.count == 3 && tokens == tokens.sorted())
                #expect(locks.isHeld)
                try locks.check()
                try await locks.guarded(then: [.put(name + "-data", "1")])
                let failed = try await locks.guarded(if: [.isMissing(name + "-data")], then: [], else: [.get("x")])
                #expect(!failed.succeeded)
                #expect(try await manager.acquireIfAvailable(["c", "d"]) == nil)
            }
            #expect(try await manager.locks().isEmpty)
            try await session.client.delete(name + "-data")
        }
    }

    @Test("those who want several at once never wait for each other in a circle, and exclude each other")
    func noDeadlock() async throws {
        try await withSession { session, name in
            let inside = Lock<(held: [String: Int], collisions: Int, rounds: Int, misses: Int)>(([:], 0, 0, 0))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 {
                    group.addTask {
                        let manager = try LockManager("\(name)", on: .session(session))
                        for round in 0..<4 {
                            let names = (0..<5).map { "\($0)" }.shuffled().prefix(Int.random(in: 1...4))
                            let body: @Sendable (LockSet) async throws -> Void = { locks in
                                inside.withLock { state in
                                    state.rounds += 1
                                    for name in locks.grants.keys {
                                        state.held[name, default: 0] += 1
                                        if state.held[name] != 1 { state.collisions += 1 }
                                    }
                                }
                                try await Task.sleep(for: .microseconds(Int.random(in: 0...1_000)))
                                inside.withLock { state in
                                    for name in locks.grants.keys { state.held[name, default: 0] -= 1 }
                                }
                            }
                            if (number + round) % 4 == 0 {
                                let result: Void? = try await manager.withLocksIfAvailable(Array(names), body)
                                if result == nil { inside.withLock { $0.misses += 1 } }
                            } else {
                                try await manager.withLocks(Array(names), timeout: .seconds(60), body)
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let seen = inside.withLock { $0 }
            #expect(seen.collisions == 0)
            #expect(seen.rounds + seen.misses == 120)
            #expect(seen.misses > 0, "the control: they were in each other's way")
            #expect(try await LockManager("\(name)", on: .session(session)).locks().isEmpty)
        }
    }

    @Test("all or none: a caller that is cancelled or times out in the middle keeps no lock and no place")
    func allOrNone() async throws {
        try await withSession { session, name in
            let manager = try LockManager("\(name)", on: .session(session))
            let last = try await manager.lock("z").acquire()
            let waiter = Task { try await manager.acquire(["a", "b", "z"]) }
            try await eventually("it waits for the last") { try await manager.lock("z").queue().count == 2 }
            #expect(try await manager.lock("a").queue().count == 1, "the control: it has the first")
            waiter.cancel()
            await expectCancellation { try await waiter.value }
            #expect(try await manager.locks().map(\.name) == ["z"])
            await expectBusy { try await manager.acquire(["a", "z"], timeout: .seconds(2)) }
            #expect(try await manager.locks().map(\.name) == ["z"])

            // A lock that is lost during the wait for another ends the wait.
            let unlucky = Task { try await manager.acquire(["a", "z"]) }
            try await eventually("it waits") { try await manager.lock("z").queue().count == 2 }
            let key = try #require(try await manager.lock("a").queue().first?.key)
            try await session.client.delete(key)
            await expectLoss(.keyDeleted) { try await unlucky.value }
            #expect(try await manager.locks().map(\.name) == ["z"])
            await last.release()
        }
    }

    @Test("when one of the locks is lost, the body is cancelled, and a guarded transaction refused")
    func loss() async throws {
        try await withSession { session, name in
            let manager = try LockManager("\(name)", on: .session(session))
            let thief = try EtcdClient(session.client.configuration)
            await expectLoss(.keyDeleted) {
                try await manager.withLocks(["a", "b"]) { locks in
                    try await thief.delete(try #require(locks.grants["b"]).key)
                    try await Task.sleep(for: .seconds(60))
                }
            }
            let set = try await manager.acquire(["a", "b"])
            let wrong = try #require(set.grants["b"])
            try await thief.delete(wrong.key)
            let put = [TransactionOperation.put(name + "-data", "1")]
            // The server refuses it, also where this side has not heard of it yet.
            let fences = set.grants.values.map { UnawareFence(hold: $0.hold) }
            await expectLoss(.guardFailed) { try await session.guarded(by: fences, then: put) }
            let loss = await #expect(throws: CoordinationLoss.self) { try await set.guarded(then: put) }
            #expect([.guardFailed, .keyDeleted].contains(loss?.reason))
            #expect(!set.isHeld && !wrong.isHeld && set.grants["a"]?.isHeld == true)
            #expect(try await [.guardFailed, .keyDeleted].contains(set.lost.reason))
            #expect(try await session.client.get(name + "-data") == nil)
            await set.release()
            #expect(try await manager.locks().isEmpty)
            await thief.close()
        }
    }

    @Test("many locks in one request are had or not; too many are refused by their number", arguments: [100, 200])
    func many(count: Int) async throws {
        try await withSession { session, name in
            let manager = try LockManager("\(name)", on: .session(session))
            let names = (0..<count).map { "lock-\($0)" }
            if count > 128 {
                let error = await #expect(throws: EtcdError.self) { try await manager.acquireIfAvailable(names) }
                #expect(error?.code == .tooManyOperations && error?.message.contains("200 locks") == true)
                #expect(session.isAlive)
            } else {
                let start = try await session.client.range(.key(name)).header.revision
                let set = try #require(try await manager.acquireIfAvailable(names))
                #expect(Set(set.grants.values.map(\.fencingToken)) == [start.next], "one transaction")
                #expect(try await manager.locks().count == count)
                try await set.guarded(then: [.put(name + "-data", "1")])
                await set.release()
                try await session.client.delete(name + "-data")
            }
            #expect(try await manager.locks().isEmpty)
        }
    }

    @Test("several locks whose request was not answered are found again, or given up", arguments: [true, false])
    func lostAnswer(isCancelled: Bool) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(30))
            let manager = try LockManager("locks", on: .session(session))
            await proxy.stall(.toClient)
            let task = Task { try await manager.acquireIfAvailable(["a", "b", "c"]) }
            try await eventually("the keys are there") { try await witness.range(.prefix("locks/")).count == 3 }
            if isCancelled { task.cancel() }
            await proxy.reset()
            await proxy.resume()
            if isCancelled {
                await expectCancellation { try await task.value }
            } else {
                let set = try #require(try await task.value)
                #expect(set.isHeld && set.grants.count == 3)
                await set.release()
            }
            #expect(try await witness.range(.prefix("locks/")).count == 0)
            #expect(session.isAlive)
            await session.close()
        }
    }

    @Test("all locks are listed, with their holders and waiters; a key without a lease is seen as such")
    func listing() async throws {
        try await withSession { session, name in
            var manager = try LockManager("\(name)", on: .session(session))
            manager.owner = "me"
            let set = try await manager.acquire(["a", "b"])
            let waiter = Task { [manager] in try await manager.lock("a").acquire() }
            let readers = [
                try await manager.readWriteLock("c").reading.acquire(),
                try await manager.readWriteLock("c").reading.acquire(),
            ]
            let writer = Task { [manager] in try await manager.readWriteLock("c").writing.acquire() }
            try await eventually("they wait") { try await manager.locks().reduce(0) { $0 + $1.waiters.count } == 2 }
            let locks = try await manager.locks()
            #expect(locks.map(\.name) == ["a", "b", "c"])
            #expect(locks.map(\.holders.count) == [1, 1, 2])
            #expect(locks.map(\.waiters.count) == [1, 0, 1])
            #expect(locks.first?.holders.first?.key == set.grants["a"]?.key)
            #expect(locks.flatMap(\.entries).allSatisfy { $0.owner == "me" && $0.lease == session.lease.id })

            // Somebody else's key, which nothing will ever end.
            try await session.client.put(name + "/d/stray", "")
            let stray = try #require(try await manager.locks().last)
            #expect(stray.name == "d" && stray.holders.map(\.lease) == [nil])
            await #expect(throws: QueueBlocked.self) { try await manager.acquire(["d"]) }
            try await session.client.delete(name + "/d/stray")
            await set.release()
            await (try await waiter.value).release()
            for reader in readers { await reader.release() }
            await (try await writer.value).release()
            #expect(try await manager.locks().isEmpty)
        }
    }
}

/// A hold that has not noticed its loss.
private struct UnawareFence: Fence {
    let hold: Hold
    let lifetime = Lifetime()

    var session: Session { hold.session }
    var key: Key { hold.key }
    var createRevision: Revision { hold.createRevision }
    var isCurrent: Compare { hold.isCurrent }
    var reserved: [KeyRange] { [] }

    func isMet(by entry: KeyValue?) -> Bool { hold.isMet(by: entry) }
}
