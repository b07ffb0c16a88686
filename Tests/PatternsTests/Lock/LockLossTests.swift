// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("DistributedLock: lost", .cluster, .timeLimit(.minutes(2)))
struct LockLossTests {
    @Test("without a way to the server, the body has ended before the next one has the lock", arguments: 1...3)
    func cutOff(trial: Int) async throws {
        try await withProxiedEtcd { proxy, cut, other in
            let lock = try DistributedLock("lock", on: .client(cut, timeToLive: .seconds(2)))
            let (isRunning, ended) = (Lock(false), Lock<ContinuousClock.Instant?>(nil))
            let grants = Lock<[LockGrant]>([])
            let holder = Task {
                try await lock.withLock { grant in
                    grants.withLock { $0 = [grant] }
                    isRunning.withLock { $0 = true }
                    defer { ended.withLock { $0 = .now } }
                    try await Task.sleep(for: .seconds(60))
                }
            }
            try await eventually("the body runs") { isRunning.withLock { $0 } }
            let next = Task {
                let grant = try await DistributedLock("lock", on: .client(other)).acquire()
                return (grant, ContinuousClock.now)
            }
            try await Task.sleep(for: .milliseconds(400 * trial))
            // The holder's renewals arrive, or do not; it hears nothing either way.
            await proxy.stall(trial == 2 ? .toClient : .both)
            let loss = await expectLoss(.deadline) { try await holder.value }
            #expect((loss?.overrun ?? .seconds(9)) < .seconds(1))
            let (grant, time) = try await next.value
            let end = try #require(ended.withLock { $0 })
            #expect(end < time, "the lead is \(time - end)")
            let old = try #require(grants.withLock { $0.first })
            #expect(!old.isHeld && grant.isHeld)
            #expect(old.fencingToken < grant.fencingToken)
            // The server refuses what the old holder may still have under way; the new one's it takes.
            #expect(try await !other.transaction(if: [old.isCurrent], then: [.put("data", "old")]).succeeded)
            #expect(try await other.transaction(if: [grant.isCurrent], then: [.put("data", "new")]).succeeded)
            await expectLoss(.deadline) { try await old.guarded(then: [.put("data", "old")]) }
            await proxy.resume()
            await grant.release()
        }
    }

    enum Theft: CaseIterable {
        case keyDeleted, keyReplaced, leaseRevoked
    }

    @Test(
        "a holder whose key or lease is taken away gets the loss, and its body is cancelled",
        arguments: Theft.allCases
    )
    func stolen(theft: Theft) async throws {
        try await withLiveClient { client, name in
            let thief = try EtcdClient(client.configuration)
            let session = try await Session(client)
            let lock = try DistributedLock("\(name)", on: .session(session))
            let loss = await #expect(throws: CoordinationLoss.self) {
                try await lock.withLock { grant in
                    switch theft {
                    case .keyDeleted: try await thief.delete(grant.key)
                    case .keyReplaced:
                        // The deletion cancels this task.
                        await withoutCancellation {
                            _ = try? await thief.delete(grant.key)
                            _ = try? await thief.put(grant.key, "mine")
                        }
                    case .leaseRevoked: try await thief.leases.revoke(session.lease.id)
                    }
                    try await Task.sleep(for: .seconds(60))
                }
            }
            let reasons: [CoordinationLoss.Reason] =
                theft == .leaseRevoked ? [.keyDeleted, .leaseEnded] : [.keyDeleted]
            #expect(loss.map { reasons.contains($0.reason) } == true, "\(String(describing: loss))")
            // The key of another one is left alone.
            #expect(try await client.range(.prefix(name)).count == (theft == .keyReplaced ? 1 : 0))
            #expect(theft == .leaseRevoked || session.isAlive)
            try await client.delete(.prefix(name))
            await session.close()
            await thief.close()
        }
    }

    @Test("a guarded transaction that the server refuses is a loss")
    func guardFails() async throws {
        try await withSession { session, name in
            // It would find out first on a slow machine.
            await session.holdWatcher.close()
            let queue = FairQueue(session: session, name: name)
            let queueKey = try #require(try await queue.enter(.exclusive, ""))
            // The token of another: as if the key had been deleted and put again, and the watch was late.
            let revision = try #require(queueKey.createRevision)
            let other = QueueKey(session, queueKey.key, "")
            other.entered(at: revision.previous)
            let wrong = LockGrant(hold: try #require(Hold(other, in: queue, ownsSession: false)))
            await expectLoss(.guardFailed) { try await wrong.guarded(then: [.put(name + "-data", "1")]) }
            #expect(!wrong.isHeld)
            #expect(try await wrong.lost.reason == .guardFailed)
            let right = LockGrant(hold: try #require(Hold(queueKey, in: queue, ownsSession: false)))
            #expect(try await session.client.get(name + "-data") == nil)
            try await right.guarded(then: [.put(name + "-data", "1")])
            await right.release()
        }
    }

    @Test("a waiter whose key or lease is taken away gets the loss at once", arguments: [true, false])
    func waiter(revokesLease: Bool) async throws {
        try await withSession { session, name in
            let holder = try await DistributedLock("\(name)", on: .session(session)).acquire()
            let waiting = try await Session(session.client)
            let lock = try DistributedLock("\(name)", on: .session(waiting))
            let waiter = Task { try await lock.acquire() }
            try await eventually("it waits") { try await lock.queue().count == 2 }
            let start = ContinuousClock.now
            if revokesLease {
                try await session.client.leases.revoke(waiting.lease.id)
            } else {
                let key = try #require(try await lock.queue().last?.key)
                try await session.client.delete(key)
            }
            await #expect(throws: CoordinationLoss.self) { try await waiter.value }
            #expect(.now - start < .seconds(2))
            #expect(try await lock.queue().map(\.key) == [holder.key])
            #expect(holder.isHeld)
            await holder.release()
            await waiting.close()
        }
    }

    @Test("a session that is closed takes all its locks along, and waits on it fail, earlier and later ones")
    func lostSession() async throws {
        try await withLiveClient { client, name in
            let session = try await Session(client)
            var grants: [LockGrant] = []
            for number in 0..<5 {
                grants.append(try await DistributedLock("\(name + "-\(number)")", on: .session(session)).acquire())
            }
            #expect(grants.allSatisfy { $0.isHeld && $0.remaining > .zero })
            let other = try DistributedLock("\(name + "-other")", on: .client(client))
            let holder = try await other.acquire()
            let waiter = Task { try await DistributedLock("\(name + "-other")", on: .session(session)).acquire() }
            try await eventually("it waits") { try await other.queue().count == 2 }
            await session.close()
            await expectLoss(.closed) { try await waiter.value }
            await holder.release()
            #expect(grants.allSatisfy { !$0.isHeld && $0.remaining == .zero })
            for grant in grants { #expect(try await grant.lost.reason == .closed) }
            await expectLoss(.closed) { try await DistributedLock("\(name)", on: .session(session)).acquire() }
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }
}
