// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Session: timeouts and ends while etcd cannot be reached", .cluster, .timeLimit(.minutes(3)))
struct BoundedEndTests {
    private func duration(_ body: () async throws -> Void) async rethrows -> Duration {
        let start = ContinuousClock.now
        try await body()
        return .now - start
    }

    @Test(
        "an acquisition throws at its timeout, although the connection is cut while it waits",
        arguments: [true, false]
    )
    func acquisition(ownsSession: Bool) async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let holder = try await DistributedLock("lock", on: .client(witness)).acquire()
            let session = try await Session(client, timeToLive: .seconds(60))
            let lock =
                ownsSession
                ? try DistributedLock("lock", on: .client(client, timeToLive: .seconds(60)))
                : try DistributedLock("lock", on: .session(session))
            let waiter = Task { try await lock.acquire(timeout: .seconds(3)) }
            let start = ContinuousClock.now
            try await eventually("it waits") { try await witness.range(.prefix("lock/")).count == 2 }
            await proxy.stall()
            await #expect(throws: (any Error).self) { try await waiter.value }
            #expect(ContinuousClock.now - start < .seconds(8))
            #expect(try await witness.range(.prefix("lock/")).count == 2, "the control: it could not be cleaned up")
            // The rest is done in the background, long before the lease ends.
            await proxy.resume()
            try await eventually("its place is gone") {
                try await witness.range(.prefix("lock/")).count == 1
            }
            await session.close()
            await holder.release()
        }
    }

    @Test("a scope whose lock was lost throws once its body has ended", arguments: [true, false])
    func lostScope(ownsSession: Bool) async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let session = try await Session(client, timeToLive: .seconds(3))
            let lock =
                ownsSession
                ? try DistributedLock("lock", on: .client(client, timeToLive: .seconds(3)))
                : try DistributedLock("lock", on: .session(session))
            let ended = Lock<ContinuousClock.Instant?>(nil)
            await expectLoss(.deadline) {
                try await lock.withLock { _ in
                    await proxy.stall()
                    try? await Task.sleep(for: .seconds(60))
                    ended.withLock { $0 = .now }
                }
            }
            let end = try #require(ended.withLock { $0 })
            #expect(ContinuousClock.now - end < .seconds(3))
            await proxy.resume()
            await session.close()
        }
    }

    @Test("a shutdown without etcd ends within Kubernetes' grace period, and a release soon after its timeout")
    func shutdown() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let session = try await Session(client, timeToLive: .seconds(60))
            let grant = try await DistributedLock("lock", on: .session(session)).acquire()
            let election = try LeaderElection("leader", candidate: "a", on: .client(client, timeToLive: .seconds(60)))
            let run = Task { try await election.run { term in _ = try await term.lost } }
            try await eventually("it leads") { election.isLeader }
            let other = try await DistributedLock("other", on: .session(session)).acquire()
            await proxy.stall()
            // A release with a short timeout.
            let short = await duration { await other.release(timeout: .milliseconds(200)) }
            #expect(short < .seconds(3), "\(short)")
            let all = await duration {
                run.cancel()
                _ = await run.result
                await grant.release()
                await session.close()
                await client.close()
            }
            #expect(all < .seconds(25), "\(all)")
            #expect(!grant.isHeld && !session.isAlive && !election.isLeader)
        }
    }

    @Test("a release of one lock, or of several, returns at its timeout, also after an attempt that was not answered")
    func release() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            // An attempt may take two seconds.
            let hurried = client.with(timeout: .seconds(2))
            let session = try await Session(hurried, timeToLive: .seconds(60))
            let grant = try await DistributedLock("lock", on: .session(session)).acquire()
            let locks = try LockManager("locks", on: .client(hurried, timeToLive: .seconds(60)))
            let set = try await locks.acquire(["a", "b"])
            await proxy.stall()
            let single = await duration { await grant.release(timeout: .seconds(3)) }
            let several = await duration { await set.release(timeout: .seconds(3)) }
            for length in [single, several] {
                #expect(length > .seconds(2), "the control: it has waited, \(length)")
                #expect(length < .seconds(4.5), "\(length)")
            }
            await session.close(timeout: .zero)
        }
    }

    @Test("background work ends with the client")
    func owner() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let session = try await Session(client, timeToLive: .seconds(60))
            let grant = try await DistributedLock("lock", on: .session(session)).acquire()
            await proxy.stall()
            await grant.release(timeout: .zero)
            await session.close(timeout: .zero)
            let job = client.inBackground { try? await Task.sleep(for: .seconds(60)) }
            #expect(await !job.wait(.milliseconds(10)))
            let length = await duration { await client.close() }
            #expect(length < .seconds(5), "\(length)")
            #expect(await job.wait(.zero))
            // Nothing lasts after the end.
            #expect(await client.inBackground { try? await Task.sleep(for: .seconds(60)) }.wait(.seconds(5)))
        }
    }

    @Test("a client that is closed waits briefly for its cleanup")
    func closedWhileCleaningUp() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(60))
            let grant = try await DistributedLock("lock", on: .session(session)).acquire()
            await proxy.stall()
            await grant.release(timeout: .zero)
            async let closed: Void = client.close()
            try await Task.sleep(for: .milliseconds(300))
            #expect(try await witness.range(.prefix("lock/")).count == 1, "the control: it could not be cleaned up")
            await proxy.resume()
            await closed
            #expect(try await witness.range(.prefix("lock/")).count == 0)
        }
    }

    @Test("a participant that enters a double barrier during an outage waits for the end of the outage")
    func doubleBarrier() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let session = try await Session(client, timeToLive: .seconds(60))
            var options = MirrorOptions()
            options.initialWait = nil
            let first = Task { try await DoubleBarrier("batch", count: 2, on: .session(session)).enter() }
            // Its key is there, and its mirror may not be open yet.
            try await eventually("it has come") { try await witness.range(.prefix("batch/")).count == 1 }
            await proxy.stall()
            await #expect(throws: (any Error).self, "the control: a mirror cannot be opened now") {
                _ = try await client.with(timeout: .seconds(1)).mirror(of: .prefix("batch/"), options: options)
            }
            await proxy.resume()
            let second = try await DoubleBarrier("batch", count: 2, on: .client(witness)).enter(timeout: .seconds(20))
            let grant = try await first.value
            #expect(grant.isHeld && second.isHeld)
            await grant.release()
            await second.release()
            await session.close()
        }
    }

    @Test("without etcd, an acquisition waits for etcd until its own timeout, also beyond the timeout of a call")
    func withoutEtcd() async throws {
        try await withProxiedEtcd { proxy, _, _ in
            var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
            configuration.callTimeout = .seconds(1)
            try await withEtcdClient(configuration) { client in
                await proxy.refuseConnections()
                await proxy.cut()
                let lock = try DistributedLock("lock", on: .client(client))
                let election = try LeaderElection("leader", candidate: "a", on: .client(client))
                for acquire in [
                    { _ = try await lock.acquire(timeout: .seconds(3)) },
                    { _ = try await election.campaign(timeout: .seconds(3)) },
                    { _ = try await DoubleBarrier("b", count: 1, on: .client(client)).enter(timeout: .seconds(3)) },
                ] {
                    let start = ContinuousClock.now
                    let error = await #expect(throws: EtcdError.self) { try await acquire() }
                    #expect(error?.code == .unavailable && error?.cause != nil, "\(error as Any)")
                    #expect(((.seconds(3))...(.seconds(9))).contains(ContinuousClock.now - start))
                }
                // An acquisition that does not wait for the lock does not wait for etcd either.
                await expectError(.unavailable) { try await lock.acquireIfAvailable() }
                let waiting = Task { (try await lock.acquire(), try await election.campaign()) }
                try await Task.sleep(for: .seconds(3))
                try await proxy.acceptConnections()
                let (grant, term) = try await waiting.value
                #expect(grant.isHeld && term.isHeld)
                await grant.release()
                await term.resign()
            }
        }
    }
}
