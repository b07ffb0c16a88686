// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Queue: no exit leaves a key behind", .cluster, .timeLimit(.minutes(2)))
struct GhostKeyTests {
    @Test("acquisitions that are cancelled at random moments", arguments: [true, false])
    func cancelStorm(sharesSession: Bool) async throws {
        try await withSession { session, name in
            let lock =
                sharesSession
                ? try DistributedLock("\(name)", on: .session(session))
                : try DistributedLock("\(name)", on: .client(session.client, timeToLive: .seconds(60)))
            let start = try await session.client.range(.key(name)).header.revision
            let granted = Lock(0)
            // The control: some were in the queue when they were cancelled. A slow machine needs more time for that.
            var longest = 60
            while try await putCount(of: name, since: start, session.client) <= granted.withLock({ $0 }) {
                try #require(longest < 10_000, "all were cancelled before they had put a key")
                await withTaskGroup(of: Void.self) { [longest] group in
                    for _ in 0..<300 {
                        group.addTask {
                            let task = Task { try await lock.withLock { _ in granted.withLock { $0 += 1 } } }
                            try? await Task.sleep(for: .microseconds(Int.random(in: 0...1000 * longest)))
                            task.cancel()
                            _ = await task.result
                        }
                    }
                }
                #expect(try await lock.queue().isEmpty)
                #expect(session.isAlive)
                longest *= 3
            }
            await (try #require(try await lock.acquireIfAvailable())).release()
        }
    }

    /// How often keys under `name` were put after a revision.
    private func putCount(of name: Key, since start: Revision, _ client: EtcdClient) async throws -> Int {
        let end = try await client.put(name + "-end", "").header.revision
        var count = 0
        for try await event in client.watch(.between(name, name + "0"), from: start.next) {
            if event.revision == end { break }
            if event.kind == .put && event.key != name + "-end" { count += 1 }
        }
        try await client.delete(name + "-end")
        return count
    }

    @Test(
        "a key whose put was not answered is found again, or deleted if it is no longer needed",
        arguments: [true, false]
    )
    func lostAnswer(isCancelled: Bool) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(30))
            let lock = try DistributedLock("lock", on: .session(session))
            await proxy.stall(.toClient)
            let task = Task { try await lock.acquire() }
            var created: KeyValue?
            try await eventually("the key is there") {
                created = try await witness.range(.prefix("lock/")).entries.first
                return created != nil
            }
            if isCancelled { task.cancel() }
            await proxy.reset()
            await proxy.resume()
            if isCancelled {
                await expectCancellation { try await task.value }
            } else {
                let grant = try await task.value
                #expect(grant.key == created?.key)
                #expect(grant.fencingToken == created?.createRevision)
                #expect(grant.isHeld)
                await grant.release()
            }
            #expect(try await witness.range(.prefix("lock/")).count == 0)
            #expect(session.isAlive)
            await session.close()
        }
    }

    @Test("acquisitions that are cancelled while connections break and answers get lost")
    func brokenConnections() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let unknown = Lock(0)
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.onEvent = { event in
                    guard case .callFinished(_, let outcome) = event, outcome.code == .ambiguous else { return }
                    unknown.withLock { $0 += 1 }
                }
                let client = try EtcdClient(configuration)
                let witness = try EtcdClient(endpoints: endpoint)
                let session = try await Session(client, timeToLive: .seconds(60))
                let lock = try DistributedLock("lock", on: .session(session))
                try await proxy.breakConnections(every: 0...60) {
                    await withTaskGroup(of: Void.self) { group in
                        for number in 0..<100 {
                            group.addTask {
                                let task = Task { try await lock.withLock { _ in } }
                                try? await Task.sleep(for: .milliseconds(Int.random(in: 0...3_000)))
                                if number % 4 != 0 { task.cancel() }
                                _ = await task.result
                            }
                        }
                    }
                }
                try await eventually("no key is left") { try await witness.range(.prefix("lock/")).count == 0 }
                #expect(session.isAlive)
                #expect(unknown.withLock { $0 } > 0, "the control: some outcomes were unknown")
                await (try await lock.acquire(timeout: .seconds(5))).release()
                await session.close()
                await client.close()
                await witness.close()
            }
        }
    }

    @Test("a put that takes effect after its key was given up is undone")
    func straggler() async throws {
        try await withSession { session, name in
            let (given, control) = (name + "/given-up", name + "/control")
            session.deleteWhenever(given)
            for _ in 1...3 {
                for key in [given, control] { try await session.client.put(key, "", lease: session.lease.id) }
                try await eventually("it is deleted") { try await session.client.get(given) == nil }
                #expect(try await session.client.get(control) != nil)
            }
            try await session.client.delete(control)
            #expect(session.isAlive)
        }
    }

    @Test("a release without a connection takes a limited time, and the key goes with the lease")
    func unreachable() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(3))
            let grant = try await DistributedLock("lock", on: .session(session)).acquire()
            await proxy.stall()
            let start = ContinuousClock.now
            await grant.release()
            #expect(.now - start < .seconds(8))
            #expect(!grant.isHeld && !session.isAlive)
            try await eventually("the key is gone") { try await witness.get(grant.key) == nil }
            await proxy.resume()
            await session.close()
        }
    }

    @Test("if a key may not be deleted, the release ends the session")
    func abandoned() async throws {
        try await withLiveClient { client, name in
            let session = try await Session(client)
            // etcd refuses to delete an empty key.
            let queueKey = QueueKey(session, "", "")
            await QueueKey.leave([queueKey])
            #expect(session.isAlive, "the control: a key that was never put needs no deletion")
            queueKey.tried()
            await QueueKey.leave([queueKey])
            #expect(try await session.lost.reason == .abandoned)
            // The lease is revoked in the background.
            try await eventually("the lease has ended") {
                try await !client.leases.list().contains(session.lease.id)
            }
        }
    }

    @Test("a compaction during the wait changes nothing")
    func compaction() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let holder = try await lock.acquire()
            let waiter = Task { try await lock.acquire() }
            try await eventually("it waits") { try await lock.queue().count == 2 }
            let revision = try await session.client.put(name, "").header.revision
            try await session.client.compact(at: revision)
            await holder.release()
            await (try await waiter.value).release()
            try await session.client.delete(name)
        }
    }
}
