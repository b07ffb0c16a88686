// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("SessionSource: own and shared sessions", .live, .timeLimit(.minutes(2)))
struct SessionSourceTests {
    @Test("several locks on a client share one session, which ends with them")
    func lockManager() async throws {
        try await withLiveClient { client, name in
            let manager = try LockManager("\(name)", on: .client(client))
            for waits in [true, false] {
                let acquired =
                    waits ? try await manager.acquire(["b", "a"]) : try await manager.acquireIfAvailable(["a", "b"])
                let set = try #require(acquired)
                let leases = Set(set.grants.values.map(\.hold.session.lease.id))
                #expect(set.isHeld && set.remaining > .zero && leases.count == 1)
                #expect(try await manager.acquireIfAvailable(["b", "c"]) == nil)
                await expectBusy { try await manager.acquire(["c", "b"], timeout: .milliseconds(500)) }
                try await set.guarded(then: [.put(name + "-data", "1")])
                await set.release()
                for lease in leases {
                    await expectError(.leaseNotFound) { try await client.leases.keepAliveOnce(lease) }
                }
            }
            #expect(try await manager.locks().isEmpty)
            try await client.delete(name + "-data")
        }
    }

    @Test("a membership on a shared session leaves only its key, and ends with the session")
    func membership() async throws {
        try await withSession { session, name in
            let group = try MemberGroup("\(name)", on: .session(session))
            try await group.withMembership(as: "a") { membership in
                #expect(membership.isActive && membership.session === session)
                // A key that was deleted is put again.
                let token = try #require(membership.token)
                try await session.client.delete(.prefix(name))
                try await eventually("it is a member again") { membership.token ?? 0 > token }
            }
            #expect(session.isAlive)
            #expect(try await group.view().members.isEmpty)
            let own = try await Session(session.client)
            let membership = try await MemberGroup("\(name)", on: .session(own)).join(as: "b")
            await own.close()
            try await eventually("it has no other session") { membership.failure is CoordinationLoss }
            #expect(!membership.isActive)
            // Each attempt would have its own measure of the time since the loss.
            let overrun = (membership.failure as? CoordinationLoss)?.overrun
            try await Task.sleep(for: .seconds(1))
            #expect((membership.failure as? CoordinationLoss)?.overrun == overrun, "there are no more attempts")
            await membership.leave()
            await expectLoss(.closed) { try await MemberGroup("\(name)", on: .session(own)).join(as: "c") }
        }
    }

    @Test("a busy lock, a grant and a loss have readable descriptions")
    func descriptions() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let grant = try await lock.acquire()
            let busy = await expectBusy { try await lock.acquire(timeout: .milliseconds(50)) }
            #expect(busy?.localizedDescription == "\"\(name)\" was not free within 0.05 seconds")
            #expect("\(grant)" == "\(grant.key), token \(grant.fencingToken), held")
            await grant.release()
            #expect("\(grant)".hasSuffix("lost: released"))
            #expect(CoordinationLoss(.deadline).localizedDescription == "lost: deadline")
            for state in [
                SessionState.active(until: .now), .atRisk(until: .now, nil), .lost(CoordinationLoss(.closed)),
            ] {
                #expect(!"\(state)".contains("Instant") && !"\(state)".contains("Optional"), "\(state)")
            }
        }
    }
}
