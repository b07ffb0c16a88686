// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("DistributedLock", .live, .timeLimit(.minutes(2)))
struct DistributedLockTests {
    @Test("many tasks of several clients exclude each other", arguments: [true, false])
    func exclusion(sharesSession: Bool) async throws {
        try await withLiveClient { client, name in
            let inside = Lock((now: 0, most: 0, total: 0))
            let tokens = Lock<[Revision]>([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try await withEtcdClient(client.configuration) { client in
                            let session = try await Session(client)
                            let lock =
                                sharesSession
                                ? try DistributedLock("\(name)", on: .session(session))
                                : try DistributedLock("\(name)", on: .client(client))
                            try await withThrowingTaskGroup(of: Void.self) { group in
                                for _ in 0..<5 {
                                    group.addTask {
                                        for _ in 0..<4 {
                                            try await lock.withLock { grant in
                                                inside.withLock { state in
                                                    let now = state.now + 1
                                                    state = (now, max(state.most, now), state.total + 1)
                                                }
                                                tokens.withLock { $0.append(grant.fencingToken) }
                                                #expect(grant.isHeld)
                                                await Task.yield()
                                                inside.withLock { $0.now -= 1 }
                                            }
                                        }
                                    }
                                }
                                try await group.waitForAll()
                            }
                            await session.close()
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(inside.withLock { $0.most } == 1)
            #expect(inside.withLock { $0.total } == 80)
            let granted = tokens.withLock { $0 }
            #expect(zip(granted, granted.dropFirst()).allSatisfy { $0 < $1 }, "tokens rise")
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("waiters are served and listed in the order in which they came")
    func order() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let first = try await lock.acquire()
            let served = Lock<[Int]>([])
            let waiters = try await startWaiters(5, on: lock) { number, _ in served.withLock { $0.append(number) } }
            let queue = try await lock.queue()
            #expect(queue.first?.key == first.key && queue.first?.fencingToken == first.fencingToken)
            #expect(queue.dropFirst().map { $0.owner.string } == (0..<5).map { "waiter \($0)" })
            #expect(queue.allSatisfy { $0.lease == session.lease.id })
            await first.release()
            for waiter in waiters { try await waiter.value }
            #expect(served.withLock { $0 } == Array(0..<5))
            #expect(try await lock.queue().isEmpty)
        }
    }

    @Test("an attempt at a held lock returns at once, and leaves no key behind")
    func ifAvailable() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            #expect(try await lock.withLockIfAvailable { _ in 1 } == 1)
            try await lock.withLock { grant in
                let (ran, second) = (try await lock.withLockIfAvailable { _ in 1 }, try await lock.acquireIfAvailable())
                #expect(ran == nil && second == nil)
                let queue = try await lock.queue()
                #expect(queue.map(\.key) == [grant.key])
            }
            let own = try DistributedLock("\(name)", on: .client(session.client))
            let second = try await lock.withLock { _ in try await own.acquireIfAvailable() }
            #expect(second == nil)
            let grant = try #require(try await own.acquireIfAvailable())
            await grant.release()
            #expect(try await lock.queue().isEmpty)
        }
    }

    @Test("a waiter without success gets its error in time, and leaves no key behind")
    func timeout() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let grant = try await lock.acquire(timeout: .seconds(10))
            await expectBusy { try await lock.acquire(timeout: .seconds(2)) }
            #expect(try await lock.queue().map(\.key) == [grant.key])
            let waiter = Task { try await lock.acquire(timeout: .seconds(60)) }
            try await eventually("it waits") { try await lock.queue().count == 2 }
            waiter.cancel()
            await expectCancellation { try await waiter.value }
            #expect(try await lock.queue().map(\.key) == [grant.key])
            await grant.release()
        }
    }

    @Test("a lock is released once, also by a cancelled task, and when it is dropped")
    func release() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let grant = try await lock.acquire()
            let releasing = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                await grant.release()
            }
            await releasing.value
            #expect(!grant.isHeld)
            #expect(try await grant.lost.reason == .released)
            let next = try await lock.acquire()
            await grant.release()
            #expect(try await lock.queue().map(\.key) == [next.key], "not another's")
            await expectLoss(.released) { try await grant.guarded(then: [.put(name, "")]) }
            await next.release()

            do { _ = try await lock.acquire() }
            await (try await lock.acquire(timeout: .seconds(10))).release()
        }
    }

    @Test("a lock, and several locks, that are dropped are released, also with a session of their own")
    func dropped() async throws {
        try await withLiveClient { client, name in
            // Keys that were left would stay for the minute that their lease lives.
            let source = SessionSource.client(client, timeToLive: .seconds(60))
            let lock = try DistributedLock("\(name)", on: source)
            do { _ = try await lock.acquire() }
            await (try await lock.acquire(timeout: .seconds(10))).release()
            let locks = try LockManager("\(name)-all", on: source)
            do { _ = try await locks.acquire(["a", "b"]) }
            await (try await locks.acquire(["b", "a"], timeout: .seconds(10))).release()
        }
    }

    enum End: CaseIterable {
        case error, cancellation, release
    }

    @Test("an error of the body is thrown, and the lock is free", arguments: End.allCases)
    func bodyThrows(end: End) async throws {
        struct Failure: Error {}
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let isRunning = Lock(false)
            let task = Task {
                try await lock.withLock { grant in
                    isRunning.withLock { $0 = true }
                    if end == .cancellation { try? await Task.sleep(for: .seconds(60)) }
                    if end == .release { await grant.release() }
                    throw Failure()
                }
            }
            if end == .cancellation {
                try await eventually("it runs") { isRunning.withLock { $0 } }
                task.cancel()
            }
            await #expect(throws: Failure.self) { try await task.value }
            #expect(try await lock.queue().isEmpty)
            #expect(session.isAlive)
        }
    }

    @Test("a guarded transaction is committed, or its result says that a condition has failed")
    func guarded() async throws {
        try await withSession { session, name in
            let key = name + "-data"
            try await DistributedLock("\(name)", on: .session(session)).withLock { grant in
                try await grant.guarded(then: [.put(key, "1")])
                let done = try await grant.guarded(if: [.value(key) == "1"], then: [.put(key, "2")])
                #expect(done.succeeded && done.header.revision > 0)
                let refused = try await grant.guarded(
                    if: [.value(key) == "1"],
                    then: [.put(key, "3")],
                    else: [.get(key)]
                )
                #expect(!refused.succeeded)
                #expect(refused.results.first?.entries.first?.value == "2")
                #expect(grant.isHeld)
            }
        }
    }

    @Test("an empty name is refused, and so is the prefix of another lock's name if that lock is held")
    func names() async throws {
        try await withSession { session, name in
            #expect(throws: EtcdError.self) { try DistributedLock("", on: .session(session)) }
            let inner = try await DistributedLock("\(name + "/inner")", on: .session(session)).acquire()
            let outer = try DistributedLock("\(name)", on: .session(session))
            let error = await #expect(throws: QueueBlocked.self) { try await outer.acquire() }
            #expect(error?.key == inner.key)
            #expect(try await outer.queue().map(\.key) == [inner.key])
            await inner.release()
        }
    }

    @Test("a release with 100 waiters wakes one of them")
    func wakesOne() async throws {
        try await withLiveClient { client, name in
            let calls = Lock(0)
            var configuration = client.configuration
            configuration.onEvent = { if case .callStarted = $0 { calls.withLock { $0 += 1 } } }
            try await withEtcdClient(configuration) { client in
                try await client.withSession { session in
                    let lock = try DistributedLock("\(name)", on: .session(session))
                    let first = try await lock.acquire()
                    let (entered, mayGoOn) = (Lock(0), Lock(false))
                    let waiters = try await startWaiters(100, on: lock) { _, _ in
                        entered.withLock { $0 += 1 }
                        while !mayGoOn.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(20)) }
                    }
                    try await eventually("all calls have been made") {
                        let before = calls.withLock { $0 }
                        try await Task.sleep(for: .milliseconds(300))
                        return calls.withLock { $0 } == before
                    }
                    let before = calls.withLock { $0 }
                    await first.release()
                    try await eventually("the next is in") { entered.withLock { $0 } == 1 }
                    try await Task.sleep(for: .milliseconds(300))
                    // The release, the read of the waiter that was woken, and perhaps the read for a longer hold.
                    #expect((2...3).contains(calls.withLock { $0 } - before))
                    mayGoOn.withLock { $0 = true }
                    for waiter in waiters { try await waiter.value }
                    #expect(entered.withLock { $0 } == 100)
                }
            }
        }
    }
}

/// Lends a session on the shared etcd to `body`, with a name that no other test uses.
func withSession(
    timeToLive: Duration = .seconds(30),
    _ body: @escaping @Sendable (Session, Key) async throws -> Void
) async throws {
    try await withLiveClient { client, name in
        try await client.withSession(timeToLive: timeToLive) { try await body($0, name) }
    }
}

/// Starts tasks that wait for `lock`, one after the other, so that their order in the queue is known.
func startWaiters(
    _ count: Int,
    on lock: DistributedLock,
    _ body: @escaping @Sendable (Int, LockGrant) async throws -> Void
) async throws -> [Task<Void, any Error>] {
    var waiters: [Task<Void, any Error>] = []
    let before = try await lock.queue().count
    for number in 0..<count {
        var lock = lock
        lock.owner = "waiter \(number)"
        waiters.append(Task { [lock] in try await lock.withLock { try await body(number, $0) } })
        try await eventually("waiter \(number) is in the queue") { try await lock.queue().count == before + number + 1 }
    }
    return waiters
}
