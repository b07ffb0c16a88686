// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

@Suite("KeyCleanup", .cluster, .timeLimit(.minutes(2)))
struct KeyCleanupTests {
    private static let watchers = "etcd_debugging_mvcc_watcher_total"

    private func withPrivateSession(_ body: (Session, EtcdMember) async throws -> Void) async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            try await withEtcdClient(endpoints: member.endpoint) { client in
                let session = try await Session(client, timeToLive: .seconds(60))
                try await body(session, member)
                await session.close()
            }
        }
    }

    @Test("a grant that is dropped is released, and leaves no watch behind")
    func dropped() async throws {
        try await withPrivateSession { session, member in
            for number in 0..<20 {
                let lock = try DistributedLock("lock-\(number % 3)", on: .session(session))
                // The control: without a release, the next one of this name would wait for a minute.
                let grant = try await lock.acquire(timeout: .seconds(20))
                #expect(grant.isHeld)
            }
            try await eventually("all are released") {
                try await session.client.range(.prefix("lock-")).count == 0
            }
            try await eventually("no watch is left") { try await member.metric(Self.watchers) == 0 }
            #expect(session.isAlive)
        }
    }

    @Test("keys of one queue are deleted by one watch, whenever they are put")
    func shared() async throws {
        try await withPrivateSession { session, member in
            let keys = (0..<20).map { Key("lock/\(session.lease.id)-\($0)") }
            let wanted = Key("lock/\(session.lease.id)-wanted")
            for key in keys { session.deleteWhenever(key) }
            try await eventually("it watches") { try await member.metric(Self.watchers) == 1 }
            for _ in 1...3 {
                for key in keys + [wanted] { try await session.client.put(key, "", lease: session.lease.id) }
                try await eventually("they are deleted") {
                    try await session.client.range(.prefix("lock/")).entries.map(\.key) == [wanted]
                }
            }
            try await eventually("it is one watch, again and again") { try await member.metric(Self.watchers) == 1 }
            await session.close()
            try await eventually("no watch is left") { try await member.metric(Self.watchers) == 0 }
        }
    }

    @Test("keys that are never put are forgotten, and their watch ends")
    func forgotten() async throws {
        try await withPrivateSession { session, member in
            let cleanup = KeyCleanup(session.client, retention: .seconds(2))
            for number in 0..<20 { cleanup.delete(Key("lock/\(number)"), whenever: "lock/") }
            try await eventually("it watches") { try await member.metric(Self.watchers) == 1 }
            try await session.client.put("lock/3", "", lease: session.lease.id)
            try await eventually("the key is deleted") { try await session.client.get("lock/3") == nil }
            #expect(cleanup.lateKeyCount == 20, "the control")
            try await eventually("all are forgotten") { cleanup.lateKeyCount == 0 }
            try await eventually("no watch is left") { try await member.metric(Self.watchers) == 0 }
            await cleanup.close()
        }
    }
}

extension KeyCleanup {
    /// How many keys are deleted whenever they appear.
    fileprivate var lateKeyCount: Int { state.withLock { $0.keys.values.reduce(0) { $0 + $1.count } } }
}
