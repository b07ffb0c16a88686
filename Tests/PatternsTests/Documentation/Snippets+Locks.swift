// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// Sessions, locks, semaphores, barriers.
extension Snippets {
    static func session(_ client: EtcdClient) async throws {
        try await client.withSession(timeToLive: .seconds(10)) { session in
            let schema = try DistributedLock("schema", on: .session(session))
            let backup = try DistributedLock("backup", on: .session(session))
            try await schema.withLock { _ in try await backup.withLock { _ in print("both, on one lease") } }
        }
    }

    static func sessionStates(_ session: Session) async throws {
        for await state in session.states {
            switch state {
            case .active: break
            case .atRisk: print(state)
            case .lost(let loss): print(loss)
            }
        }
    }

    static func lock(_ client: EtcdClient, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let lock = try DistributedLock("report", on: .client(client))
        try await lock.withLock(timeout: .seconds(30)) { grant in
            try await work()
            try await grant.guarded(then: [.put("state/report", "done by \(grant.fencingToken)")])
        }
        if try await lock.withLockIfAvailable({ _ in try await work() }) == nil { print("another task has the lock") }
    }

    static func grant(_ lock: DistributedLock, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let grant = try await lock.acquire()
        while grant.isHeld, grant.remaining > .seconds(1) {
            try await work()
            try grant.check()
            break
        }
        await grant.release()
        for entry in try await lock.queue() { print(entry.owner, entry.fencingToken, entry.lease ?? "no lease") }
    }

    static func readWriteLock(_ client: EtcdClient) async throws {
        let schema = try ReadWriteLock("schema", on: .client(client))
        try await schema.reading.withLock { _ in print("with other readers") }
        try await schema.writing.withLock { grant in
            try await grant.guarded(then: [.put("version", "2")])
            try await schema.downgrade(grant)
            print("with readers again, and no writer was in between")
        }
    }

    static func lockManager(_ session: Session) async throws {
        let accounts = try LockManager("accounts", on: .session(session))
        try await accounts.withLocks(["alice", "bob"], timeout: .seconds(10)) { locks in
            try await locks.guarded(then: [.put("balance/alice", "10"), .put("balance/bob", "90")])
        }
        let result = try await accounts.withLocksIfAvailable(["alice", "carol"]) { locks in locks.isHeld }
        if result == nil { print("one of them is not free") }
        for lock in try await accounts.locks() {
            print(lock.name, "is held by", lock.holders.map(\.owner), "and awaited by", lock.waiters.map(\.owner))
        }
    }

    static func semaphore(_ client: EtcdClient) async throws {
        let licences = try Semaphore("licences", limit: 3, on: .client(client))
        try await licences.withSlot { slot in
            print("slot", slot.number, "of", try await licences.limit())
        }
        try await licences.setLimit(5)
    }

    static func barrier(_ session: Session, _ migrate: @escaping @Sendable () async throws -> Void) async throws {
        let ready = try Barrier("schema-ready", on: .session(session))
        if try await ready.withRaised({ _ in try await migrate() }) == nil { print("another task has raised it") }
    }

    static func barrierWait(_ client: EtcdClient) async throws {
        do {
            try await Barrier("schema-ready", on: .client(client)).wait(timeout: .seconds(60))
        } catch let broken as BarrierBroken {
            print("the migration has failed:", broken)
        }
    }

    static func doubleBarrier(_ session: Session) async throws {
        let batch = try DoubleBarrier("batch", count: 3, on: .session(session))
        try await batch.withBarrier { _ in print("all three are here") }
        print("all three are done")
    }
}
