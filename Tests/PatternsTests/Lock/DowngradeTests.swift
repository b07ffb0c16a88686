// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ReadWriteLock: a writer that becomes a reader", .cluster, .timeLimit(.minutes(2)))
struct DowngradeTests {
    @Test("readers behind the writer get the lock, the next writer does not; place, token and lease stay")
    func order() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let writing = try await lock.writing.acquire()
            let readers = (0..<2).map { _ in Task { try await lock.reading.acquire() } }
            try await eventually("readers wait") { try await lock.queue().count == 3 }
            let writer = Task { try await lock.writing.acquire() }
            try await eventually("a writer waits") { try await lock.queue().count == 4 }
            let late = Task { try await lock.reading.acquire() }
            try await eventually("another reader waits") { try await lock.queue().count == 5 }
            let before = try #require(try await lock.queue().first)
            #expect(!before.isShared && !writing.isShared)

            try await lock.downgrade(writing)
            let early = [try await readers[0].value, try await readers[1].value]
            let queue = try await lock.queue()
            #expect(queue.map(\.isShared) == [true, true, true, false, true])
            let after = try #require(queue.first)
            #expect(after.key == before.key && after.fencingToken == before.fencingToken)
            #expect(after.lease == before.lease && after.owner == before.owner)
            #expect(writing.isHeld && writing.isShared)
            try await writing.guarded(then: [.put(name + "-data", "1")])
            // A second downgrade has no effect.
            try await lock.downgrade(writing)
            try await lock.downgrade(early[0])

            // The writer waits for the former one, too, and the late reader for it.
            for grant in early { await grant.release() }
            #expect(try await lock.queue().count == 3)
            await writing.release()
            let next = try await writer.value
            #expect(try await lock.queue().map(\.key) == [next.key, try #require(queue.last?.key)])
            #expect(next.fencingToken > writing.fencingToken)
            await next.release()
            await (try await late.value).release()
            try await session.client.delete(name + "-data")
        }
    }

    @Test("in a scope, the lock is released at its end")
    func scope() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            try await lock.writing.withLock { grant in
                #expect(try await lock.reading.acquireIfAvailable() == nil, "the control")
                try await lock.downgrade(grant)
                try await lock.reading.withLock(timeout: .seconds(5)) { _ in }
                #expect(try await lock.writing.acquireIfAvailable() == nil)
            }
            #expect(try await lock.queue().isEmpty)
        }
    }

    @Test("a write from before the downgrade that is still under way is refused")
    func lateWrite() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let grant = try await lock.writing.acquire()
            let asWriter = grant.isCurrent
            let put = TransactionOperation.put(name + "-data", "1")
            #expect(try await session.client.transaction(if: [asWriter], then: [put]).succeeded, "the control")
            // The server has the change before this side knows of it.
            #expect(try await grant.hold.queue.downgrade(queueKey(grant), at: grant.fencingToken))
            await expectLoss(.downgraded) { try await grant.guarded(then: [put]) }
            #expect(grant.isHeld)
            try await lock.downgrade(grant)
            #expect(try await !session.client.transaction(if: [asWriter], then: [put]).succeeded)
            try await grant.guarded(then: [put])
            await grant.release()
            try await session.client.delete(name + "-data")
        }
    }

    private func queueKey(_ grant: LockGrant) -> QueueKey {
        let queueKey = QueueKey(grant.hold.session, grant.key, "")
        queueKey.entered(at: grant.fencingToken)
        return queueKey
    }

    @Test("etcdctl waits for the former writer, and the owner's text does not decide who is a reader")
    func foreigners() async throws {
        try await withSession { session, name in
            var lock = try ReadWriteLock("\(name)", on: .session(session))
            lock.owner = "shared:not"
            let grant = try await lock.writing.acquire()
            #expect(try await lock.queue().map(\.isShared) == [false])
            #expect(try await lock.queue().map(\.owner) == ["shared:not"])
            let etcdctl = try await EtcdCtl(["lock", "\(name)"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl waits") { try await lock.queue().count == 2 }
            try await lock.downgrade(grant)
            #expect(try await lock.queue().map(\.isShared) == [true, false])
            #expect(try await lock.queue().first?.owner == "shared:not")
            #expect(try await lock.reading.acquireIfAvailable() == nil, "etcdctl came before")
            #expect(etcdctl.output.isEmpty)
            await grant.release()
            try await eventually("etcdctl has the lock") { etcdctl.output.contains("\(name)/") }
            try await etcdctl.interrupt()
        }
    }

    @Test("a downgrade whose answer is lost is verified; if it is cancelled, the lock counts as one for reading")
    func lostAnswer() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(30))
            for isCancelled in [true, false] {
                let lock = try ReadWriteLock("lock", on: .session(session))
                let grant = try await lock.writing.acquire()
                await proxy.stall(.toClient)
                let task = Task { try await lock.downgrade(grant) }
                try await eventually("it has happened") { try await witness.get(grant.key)?.version == 2 }
                if isCancelled { task.cancel() }
                await proxy.reset()
                await proxy.resume()
                if isCancelled {
                    await expectCancellation { try await task.value }
                } else {
                    try await task.value
                }
                #expect(grant.isHeld && grant.isShared)
                try await grant.guarded(then: [.put("data", "1")])
                await grant.release()
                #expect(try await witness.range(.prefix("lock/")).count == 0)
            }
            #expect(session.isAlive)
            await session.close()
        }
    }

    @Test("a grant of another lock is refused, and a lost one leads to the error of its loss")
    func refusals() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let other = try await ReadWriteLock("\(name + "-other")", on: .session(session)).writing.acquire()
            await expectError(.invalidArgument) { try await lock.downgrade(other) }
            #expect(!other.isShared)
            await other.release()
            let stolen = try await lock.writing.acquire()
            try await session.client.delete(stolen.key)
            await expectLoss(.keyDeleted) { try await lock.downgrade(stolen) }
            #expect(try await lock.queue().isEmpty)
            // A plain lock of the name is a writer.
            let plain = try await DistributedLock("\(name)", on: .session(session)).acquire()
            try await lock.downgrade(plain)
            #expect(try await lock.reading.withLockIfAvailable { _ in true } == true)
            await plain.release()
        }
    }
}
