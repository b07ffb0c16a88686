// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Semaphore", .cluster, .timeLimit(.minutes(2)))
struct SemaphoreTests {
    @Test("each holder has a slot of its own, and waiters are served in their order")
    func slots() async throws {
        try await withSession { session, name in
            let semaphore = try Semaphore("\(name)", limit: 3, on: .session(session))
            var grants: [SemaphoreSlot] = []
            for _ in 0..<3 { grants.append(try await semaphore.acquire()) }
            #expect(grants.map(\.number) == [0, 1, 2])
            #expect(try await semaphore.holders().map(\.key) == grants.map(\.key))
            #expect(try await semaphore.acquireIfAvailable() == nil)
            await expectBusy { try await semaphore.acquire(timeout: .seconds(2)) }
            let served = Lock<[Int]>([])
            var waiters: [Task<SemaphoreSlot, any Error>] = []
            for number in 0..<4 {
                waiters.append(
                    Task {
                        let grant = try await semaphore.acquire()
                        served.withLock { $0.append(number) }
                        return grant
                    }
                )
                try await eventually("it waits") { try await semaphore.waiters().count == number + 1 }
            }
            waiters[2].cancel()
            await expectCancellation { try await waiters[2].value }
            await grants[1].release()
            let next = try await waiters[0].value
            #expect(next.number == 1 && next.isHeld && next.fencingToken > grants[1].fencingToken)
            try await next.guarded(then: [.put(name + "/data", "1")])
            await grants[0].release()
            await (try await waiters[1].value).release()
            await (try await waiters[3].value).release()
            await grants[2].release()
            await next.release()
            #expect(served.withLock { $0 } == [0, 1, 3])
            #expect(try await session.client.range(.prefix(name + "/slots")).count == 0)
            #expect(try await semaphore.waiters().isEmpty)
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("there are never more holders than slots, also when waiters give up", arguments: [true, false])
    func mostInside(sharesSession: Bool) async throws {
        try await withSession { session, name in
            let semaphore =
                sharesSession
                ? try Semaphore("\(name)", limit: 3, on: .session(session))
                : try Semaphore("\(name)", limit: 3, on: .client(session.client))
            let start = try await session.client.range(.key(name)).header.revision
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<20 {
                    group.addTask {
                        for _ in 0..<4 {
                            let task = Task {
                                try await semaphore.withSlot { _ in
                                    try await Task.sleep(for: .microseconds(Int.random(in: 4_000...12_000)))
                                }
                            }
                            if number % 3 == 0 {
                                try? await Task.sleep(for: .microseconds(Int.random(in: 0...100_000)))
                                task.cancel()
                            }
                            _ = await task.result
                        }
                    }
                }
            }
            #expect(try await semaphore.holders().isEmpty)
            #expect(try await semaphore.waiters().isEmpty)
            let end = try await session.client.put(name + "/slots/end", "").header.revision
            var (held, most) = (Set<Key>(), 0)
            for try await event in session.client.watch(.prefix(name + "/slots/"), from: start.next) {
                if event.revision == end { break }
                if event.kind == .put { held.insert(event.key) } else { held.remove(event.key) }
                most = max(most, held.count)
            }
            #expect(most <= 3)
            #expect(most > 1, "the control: several held slots at once")
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("a claim whose answer is lost is found again, or deleted after a cancellation", arguments: [true, false])
    func lostAnswer(isCancelled: Bool) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(30))
            let queue = FairQueue(session: session, name: "s/queue")
            let turn = queue.queueKey(.exclusive, "")
            let others = try await queue.join(turn)
            let table = SlotTable(name: "s", initialLimit: 2)
            // The look before the claim is answered, the claim is not.
            await proxy.delay(.milliseconds(200), .toClient)
            let task = Task { try await table.claim(for: turn, behind: others, in: queue, waits: true) }
            try await eventually("the slot is taken") { try await witness.range(.prefix("s/slots/")).count == 1 }
            await proxy.stall(.toClient)
            await proxy.reset()
            if isCancelled { task.cancel() }
            await proxy.delay(.zero, .toClient)
            await proxy.resume()
            if isCancelled {
                await expectCancellation { try await task.value }
                #expect(try await witness.range(.prefix("s/")).entries.map(\.key) == ["s/limit"])
            } else {
                let slot = try #require(try await task.value)
                let entry = try await witness.range(.prefix("s/slots/")).entries.first
                #expect(entry?.key == slot.key && entry?.createRevision == slot.createRevision)
            }
            await session.close()
        }
    }

    @Test("a higher limit admits waiters at once; a lower one admits nobody until enough have left")
    func liveLimit() async throws {
        try await withSession { session, name in
            let revisions = try await history(of: name, session.client) { try await Self.changeLimit(name, session) }
            let history = SlotHistory(of: "\(name)", revisions)
            #expect(history.complaints == [])
            #expect(history.claims == 5 && history.limits == [1, 2, 4] && history.attritions == 1, "the control")
            try await session.client.delete(.prefix(name))
        }
    }

    private static func changeLimit(_ name: Key, _ session: Session) async throws {
        let semaphore = try Semaphore("\(name)", limit: 1, on: .session(session))
        #expect(try await semaphore.limit() == 1)
        #expect(try await session.client.get(name + "/limit") == nil)
        var grants = [try await semaphore.acquire()]
        #expect(try await session.client.get(name + "/limit")?.value == "1")
        // Another initial limit has no effect.
        let other = try Semaphore("\(name)", limit: 9, on: .client(session.client))
        #expect(try await other.limit() == 1)
        #expect(try await other.acquireIfAvailable() == nil)
        let waiters = (0..<4).map { _ in Task { try await semaphore.acquire() } }
        try await eventually("they wait") { try await semaphore.waiters().count == 4 }
        try await other.setLimit(4)
        try await eventually("three of them are inside") { try await semaphore.holders().count == 4 }
        #expect(try await semaphore.waiters().count == 1)
        let tokens = try await semaphore.holders().map(\.fencingToken)

        try await semaphore.setLimit(2)
        await grants.removeLast().release()
        let inside = try await semaphore.holders()
        #expect(inside.map(\.fencingToken) == Array(tokens.dropFirst()), "the holders stay")
        #expect(try await semaphore.acquireIfAvailable() == nil)
        // Two of three leave, so there is room for one. The history shows that the waiter has waited for that.
        for entry in inside.dropLast() { try await session.client.delete(entry.key) }
        try await eventually("the last is inside") { try await semaphore.waiters().isEmpty }
        #expect(try await semaphore.holders().count == 2)
        for waiter in waiters { await (try await waiter.value).release() }
        #expect(try await semaphore.holders().isEmpty)
    }

    @Test("all free slots are acquired at once, also without waiting", arguments: [true, false])
    func allAtOnce(waits: Bool) async throws {
        try await withSession { session, name in
            let semaphore = try Semaphore("\(name)", limit: 50, on: .session(session))
            let grants = try await withThrowingTaskGroup(of: SemaphoreSlot?.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        if waits { return try await semaphore.acquire(timeout: .seconds(30)) }
                        return try await semaphore.acquireIfAvailable()
                    }
                }
                return try await group.reduce(into: [SemaphoreSlot]()) { grants, grant in
                    if let grant { grants.append(grant) }
                }
            }
            #expect(Set(grants.compactMap(\.number)) == Set(0..<50))
            #expect(try await semaphore.acquireIfAvailable() == nil)
            for grant in grants { await grant.release() }
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("a waiter that is stopped blocks one slot, and no more")
    func stoppedWaiter() async throws {
        try await withSession { session, name in
            let semaphore = try Semaphore("\(name)", limit: 3, on: .session(session))
            var grants: [SemaphoreSlot] = []
            for _ in 0..<3 { grants.append(try await semaphore.acquire()) }
            // A waiter that is in the queue, and does nothing.
            let stopped = name + "/queue/stopped"
            try await session.client.put(stopped, "", lease: session.lease.id)
            let waiters = (0..<3).map { _ in Task { try await semaphore.acquire() } }
            try await eventually("they wait") { try await semaphore.waiters().count == 4 }
            for grant in grants { await grant.release() }
            try await eventually("two are inside") { try await semaphore.holders().count == 2 }
            #expect(try await semaphore.acquireIfAvailable() == nil)
            #expect(try await semaphore.waiters().first?.key == stopped)
            try await session.client.delete(stopped)
            for waiter in waiters { await (try await waiter.value).release() }
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("waiters get an error that names slots that never become free, at once if there are no others")
    func strays() async throws {
        try await withSession { session, name in
            let semaphore = try Semaphore("\(name)", limit: 2, on: .session(session))
            let grant = try await semaphore.acquire()
            let stray = name + "/slots/1/stray"
            try await session.client.put(stray, "")
            #expect(try await semaphore.acquireIfAvailable() == nil)
            let error = await expectBusy { try await semaphore.acquire(timeout: .seconds(2)) }
            #expect((error?.cause as? QueueBlocked)?.key == stray, "\(error as Any)")
            let waiter = Task { try await semaphore.acquire() }
            try await eventually("it waits") { try await semaphore.waiters().count == 1 }
            try await session.client.put(grant.key, "")
            await #expect(throws: QueueBlocked.self) { try await waiter.value }
            await #expect(throws: QueueBlocked.self) { try await semaphore.acquireIfAvailable() }
            // In the queue, too.
            try await session.client.delete(.prefix(name + "/slots/"))
            let holders = [try await semaphore.acquire(), try await semaphore.acquire()]
            try await session.client.put(name + "/queue/stray", "")
            let blocked = await #expect(throws: QueueBlocked.self) {
                try await semaphore.acquire(timeout: .seconds(20))
            }
            #expect(blocked?.key == name + "/queue/stray")
            for holder in holders { await holder.release() }
            try await session.client.delete(.prefix(name))
        }
    }

    @Test(
        "the error about an invalid limit names it, also to waiters, and the limit can be corrected",
        arguments: ["", "x", "0", "-1", "1e3"]
    )
    func invalidLimit(value: Value) async throws {
        try await withSession { session, name in
            let semaphore = try Semaphore("\(name)", limit: 1, on: .session(session))
            let grant = try await semaphore.acquire()
            let waiter = Task { try await semaphore.acquire() }
            try await eventually("it waits") { try await semaphore.waiters().count == 1 }
            try await session.client.put(name + "/limit", value)
            let error = await #expect(throws: EtcdError.self) { try await waiter.value }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("\(name)/limit") == true && error?.message.contains("\"\(value)\"") == true)
            await expectError(.invalidArgument) { try await semaphore.limit() }
            #expect(grant.isHeld)
            try await semaphore.setLimit(2)
            #expect(try await semaphore.acquire(timeout: .seconds(5)).number == 1)
            await grant.release()
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("a semaphore without a name or a slot is refused")
    func arguments() async throws {
        try await withSession { session, name in
            #expect(throws: EtcdError.self) { try Semaphore("", limit: 1, on: .session(session)) }
            #expect(throws: EtcdError.self) { try Semaphore("\(name)", limit: 0, on: .session(session)) }
            await expectError(.invalidArgument) {
                try await Semaphore("\(name)", limit: 1, on: .session(session)).setLimit(0)
            }
        }
    }
}
