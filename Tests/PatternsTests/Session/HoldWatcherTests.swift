// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("HoldWatcher", .cluster, .timeLimit(.minutes(2)))
struct HoldWatcherTests {
    /// A key that stands for a hold, and its lifetime.
    private func put(_ key: Key, _ session: Session) async throws -> (key: Key, revision: Revision, lifetime: Lifetime)
    {
        let revision = try await session.client.put(key, "", lease: session.lease.id).header.revision
        return (key, revision, Lifetime(within: [session.lifetime]))
    }

    enum Fault: CaseIterable {
        case deleted, replaced, deletedAndCompacted
    }

    @Test("a key that was taken away before anybody looked is missed by the first look", arguments: Fault.allCases)
    func before(fault: Fault) async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withEtcdClient(endpoints: endpoint) { client in
                let session = try await Session(client, timeToLive: .seconds(60))
                let taken = try await put("taken", session)
                let kept = try await put("kept", session)
                try await client.delete(taken.key)
                if fault == .replaced { try await client.put(taken.key, "mine") }
                let end = try await client.put("end", "").header.revision
                if fault == .deletedAndCompacted {
                    try await client.compact(at: end)
                    // The control: a watch alone sees nothing of it.
                    #expect(try await !client.awaitChange(in: .key(taken.key), after: taken.revision) { _ in true })
                }
                let holdWatcher = HoldWatcher(patience: .milliseconds(20))
                holdWatcher.begin(for: session)
                for hold in [taken, kept] { holdWatcher.watch(hold.key, hold.revision, hold.lifetime) }
                #expect(try await taken.lifetime.lost().reason == .keyDeleted)
                // The control: the other is held, and watched from then on.
                try await eventually("one is watched") { holdWatcher.taskCount == 1 }
                #expect(kept.lifetime.loss == nil)
                try await client.delete(kept.key)
                #expect(try await kept.lifetime.lost().reason == .keyDeleted)
                await holdWatcher.close()
                await session.close()
            }
        }
    }

    @Test("an acquisition and a release take one request each and no watch; a hold that lasts has a watch")
    func requests() async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            let calls = Lock<[String]>([])
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.onEvent = { event in
                if case .callStarted(let call) = event { calls.withLock { $0.append(call.method) } }
            }
            try await withEtcdClient(configuration) { client in
                let short = try await Session(client, timeToLive: .seconds(60))
                let session = try await Session(client, timeToLive: .seconds(60))
                // On a slow machine, none of them is short.
                await short.holdWatcher.close()
                calls.withLock { $0 = [] }
                for number in 0..<10 {
                    let grant = try await DistributedLock("lock-\(number)", on: .session(short)).acquire()
                    await grant.release()
                }
                #expect(calls.withLock { $0.count { $0.hasSuffix("/Txn") } } == 10)
                #expect(calls.withLock { $0.count } == 20, "\(calls.withLock { $0 })")
                let grant = try await DistributedLock("lock", on: .session(session)).acquire()
                try await eventually("the hold is watched") {
                    try await member.metric("etcd_debugging_mvcc_watcher_total") == 1
                }
                #expect(grant.isHeld)
                await grant.release()
                try await eventually("it is not watched any more") {
                    try await member.metric("etcd_debugging_mvcc_watcher_total") == 0
                }
                for session in [short, session] { await session.close() }
            }
        }
    }

    @Test("holds that end while their watch is about to begin leave nothing behind")
    func race() async throws {
        try await withSession { session, name in
            let hold = try await put(name, session)
            let holdWatcher = HoldWatcher(patience: .milliseconds(2))
            holdWatcher.begin(for: session)
            let most = Lock(0)
            await withTaskGroup(of: CoordinationLoss?.self) { group in
                for _ in 0..<300 {
                    group.addTask {
                        let lifetime = Lifetime(within: [session.lifetime])
                        holdWatcher.watch(hold.key, hold.revision, lifetime)
                        try? await Task.sleep(for: .microseconds(Int.random(in: 0...6_000)))
                        most.withLock { $0 = max($0, holdWatcher.taskCount) }
                        lifetime.end(CoordinationLoss(.released))
                        return lifetime.loss
                    }
                }
                for await loss in group { #expect(loss?.reason == .released) }
            }
            #expect(most.withLock { $0 } > 0, "the control: some were watched")
            try await eventually("no task is left") { holdWatcher.taskCount == 0 }
            #expect(session.isAlive)
            try await session.client.delete(name)
            await holdWatcher.close()
        }
    }

    @Test(
        "a scope with a young hold gets the end of its session, and the session's end waits for its watches"
    )
    func sessionEnds() async throws {
        try await withSession { session, name in
            let own = try await Session(session.client, timeToLive: .seconds(60))
            await expectLoss(.closed) {
                try await DistributedLock("\(name)", on: .session(own)).withLock { _ in
                    // The end of the session cancels this task.
                    await withoutCancellation { await own.close() }
                    try await Task.sleep(for: .seconds(60))
                }
            }
            let other = try await Session(session.client, timeToLive: .seconds(60))
            let grant = try await DistributedLock("\(name)", on: .session(other)).acquire()
            try await eventually("it is watched") { other.holdWatcher.taskCount == 1 }
            await other.close()
            #expect(other.holdWatcher.taskCount == 0)
            #expect(try await grant.lost.reason == .closed)
            // Nothing is looked after once it has ended.
            other.holdWatcher.watch(grant.key, grant.fencingToken, Lifetime())
            #expect(other.holdWatcher.taskCount == 0)
        }
    }

    @Test("a hold that is dropped while it is young does not keep its session")
    func dropped() async throws {
        try await withSession { session, name in
            weak var weakSession: Session?
            do {
                let own = try await Session(session.client, timeToLive: .seconds(60))
                weakSession = own
                _ = try await DistributedLock("\(name)", on: .session(own)).acquire()
            }
            try await eventually("the session is gone") { weakSession == nil }
            try await session.client.delete(.prefix(name))
        }
    }
}

extension HoldWatcher {
    /// How many tasks watch holds.
    fileprivate var taskCount: Int { state.withLock { $0.tasks.count } }
}
