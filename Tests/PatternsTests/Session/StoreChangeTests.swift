// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Session: a replaced store", .cluster, .timeLimit(.minutes(2)))
struct StoreChangeTests {
    /// Kills the member, replaces its data by another folder, and starts it again.
    private func restart(_ cluster: EtcdCluster, on data: URL) async throws {
        let member = try #require(cluster.members.first)
        await member.kill()
        try FileManager.default.removeItem(at: folder(of: cluster))
        try FileManager.default.moveItem(at: data, to: folder(of: cluster))
        try await member.restart()
    }

    private func folder(of cluster: EtcdCluster) throws -> URL {
        URL(fileURLWithPath: cluster.folder).appending(path: try #require(cluster.members.first).name)
    }

    /// A copy of a cluster's data, in the folder of another.
    private func backup(of cluster: EtcdCluster, for other: EtcdCluster) async throws -> URL {
        let member = try #require(cluster.members.first)
        let copy = URL(fileURLWithPath: other.folder).appending(path: "backup")
        await member.stop()
        try FileManager.default.copyItem(at: folder(of: cluster), to: copy)
        try await member.restart()
        return copy
    }

    @Test("a session ends at the next check after a restoration of the store with its lease and key")
    func restored() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                let session = try await Session(client, timeToLive: .seconds(60))
                let grant = try await DistributedLock("lock", on: .session(session)).acquire()
                let backup = try await backup(of: cluster, for: cluster)
                for number in 1...10 { try await grant.guarded(then: [.put("data", "\(number)")]) }
                #expect(session.isAlive && grant.isHeld, "the control: a restart is not a restoration")
                try await restart(cluster, on: backup)
                // The restored store has the key and the lease, so nothing else would reveal the restoration.
                #expect(try await client.get(grant.key)?.createRevision == grant.fencingToken)
                _ = try? await grant.guarded(then: [.put("data", "late")])
                #expect(session.lifetime.loss?.reason == .revisionRegressed)
                #expect(!session.isAlive && !grant.isHeld)
                await expectLoss(.revisionRegressed) { try await grant.guarded(then: [.put("data", "later")]) }
                await expectLoss(.revisionRegressed) { try await DistributedLock("b", on: .session(session)).acquire() }
                #expect(try await client.get("data")?.value != "later")
                await session.close()
                // A new session is not affected.
                try await client.withSession { session in
                    try await DistributedLock("b", on: .session(session)).withLock { _ in }
                }
            }
        }
    }

    @Test("a cluster with another identity at the same endpoint ends the session, too")
    func exchanged() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdCluster { other in
                try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                    // No renewal comes first, which would only find that the lease is missing there.
                    let session = try await Session(client, timeToLive: .seconds(600))
                    let grant = try await DistributedLock("lock", on: .session(session)).acquire()
                    #expect(session.isAlive, "the control")
                    try await restart(cluster, on: try await backup(of: other, for: cluster))
                    await #expect(throws: (any Error).self) { try await grant.guarded(then: [.put("data", "1")]) }
                    #expect(try await session.lost.reason == .clusterChanged)
                    #expect(!grant.isHeld)
                    await session.close()
                }
            }
        }
    }

    @Test("answers out of order are not taken for answers of an older store")
    func overtaking() {
        let witness = StoreWitness(reading: "k")
        func isFall(_ revision: Int64, _ term: UInt64, below floor: (Int64, UInt64)) -> Bool {
            var header = ResponseHeader()
            (header.revision, header.raftTerm) = (Revision(rawValue: revision), term)
            return witness.isFall(header, below: .init(revision: Revision(rawValue: floor.0), term: floor.1))
        }
        #expect(!isFall(100, 3, below: (0, 0)))
        // This was asked before the other was answered.
        #expect(!isFall(90, 2, below: (80, 2)))
        #expect(witness.position.revision == 100 && witness.position.term == 3)
        #expect(!isFall(100, 3, below: (100, 3)))
        #expect(isFall(99, 3, below: (100, 3)))
        #expect(isFall(100, 2, below: (100, 3)))
        // An empty header proves nothing.
        #expect(!isFall(0, 0, below: (100, 3)))
    }

    @Test("of the keys that a session has given up, it looks for the one that was deleted last, whenever that is noted")
    func lastDeletion() async throws {
        try await withLiveClient { client, name in
            for (isLast, expected): (Bool, CoordinationLoss.Reason?) in [(true, .revisionRegressed), (false, nil)] {
                let witness = StoreWitness(reading: name)
                let (early, late) = (name + "/early-\(isLast)", name + "/late-\(isLast)")
                // The answers have come in another order.
                witness.gaveUp(late, at: 20)
                witness.gaveUp(early, at: 10)
                // As in a restored store.
                try await client.put(isLast ? late : early, "")
                #expect(await witness.examine(client, attempt: .seconds(5))?.reason == expected)
            }
        }
    }

    @Test("a time to live that leaves no time for a second renewal is refused, whatever the server would grant")
    func shortTimeToLive() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--heartbeat-interval=10", "--election-timeout=100"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                let error = await #expect(throws: EtcdError.self) {
                    _ = try await Session(client, timeToLive: .seconds(1))
                }
                #expect(
                    error?.code == .invalidArgument && error?.message.contains("1.0 seconds") == true,
                    "\(error as Any)"
                )
                #expect(try await client.leases.list().isEmpty)
                // The control: twice that is enough.
                let session = try await Session(client, timeToLive: .seconds(2))
                #expect(session.isAlive && session.lease.timeToLive == .seconds(2))
                await session.close()
            }
        }
    }
}
