// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection: a candidate that comes back", .cluster, .timeLimit(.minutes(2)))
struct ElectionRecoveryTests {
    @Test("a candidate does not wait for its own old key, whose lease lives on when etcd is back")
    func ownDeadKey() async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            try await withEtcdClient(endpoints: member.endpoint) { client in
                let (terms, hindrances) = (Lock<[LeaderTerm]>([]), Lock(0))
                let source = SessionSource.client(client.with(timeout: .seconds(1)), timeToLive: .seconds(5))
                let election = try LeaderElection("e", candidate: "a", on: source) { event in
                    if case .hindered = event { hindrances.withLock { $0 += 1 } }
                }
                let running = Task {
                    try await election.run { term in
                        terms.withLock { $0.append(term) }
                        try await Task.sleep(for: .seconds(600))
                    }
                }
                try await eventually("it leads") { terms.withLock { $0.count } == 1 }
                let lost = try #require(terms.withLock { $0.first })
                await member.kill()
                // It has stopped trying to end the old session, and tries to open another.
                try await eventually(within: .seconds(60), "the leadership is lost") {
                    !lost.isHeld && hindrances.withLock { $0 } > 0
                }
                // After etcd's start, a lease lives for its whole time to live.
                try await member.restart()
                try await eventually("it leads again") { terms.withLock { $0.count } == 2 }
                let term = try #require(terms.withLock { $0.last })
                var events: [WatchEvent] = []
                for try await batch in client.watch(.prefix("e/"), from: lost.fencingToken).batches {
                    events += batch.events
                    if batch.revision >= term.fencingToken { break }
                }
                // If the lease ended, it ended before the candidate joined.
                let deletion = events.first { $0.kind == .delete && $0.key == lost.key }
                #expect(deletion != nil && events.last?.revision == term.fencingToken, "\(events)")
                #expect(lost.fencingToken < term.fencingToken && term.isHeld)
                running.cancel()
                _ = await running.result
            }
        }
    }

    @Test(
        "keys that a candidate could not delete are deleted when it joins, in one transaction, and no others",
        arguments: [1, 100]
    )
    func staleKeys(count: Int) async throws {
        try await withSession { session, name in
            let client = session.client
            let lost = try await Session(client, timeToLive: .seconds(60))
            let staleKeys = StaleKeys()
            let old = FairQueue(session: lost, name: name, staleKeys: staleKeys)
            var queueKeys: [QueueKey] = []
            for number in 0..<count {
                let queueKey = old.queueKey(number % 2 == 0 ? .exclusive : .shared, "")
                _ = try await old.join(queueKey)
                queueKeys.append(queueKey)
            }
            // Another session has put one of these keys since.
            let foreign = old.queueKey(.exclusive, "")
            foreign.tried()
            try await client.put(foreign.key, "", lease: session.lease.id)
            for queueKey in queueKeys { queueKey.leaveBehind() }
            #expect(staleKeys.batch.keys.isEmpty, "the control: the session is alive")
            lost.lifetime.end(CoordinationLoss(.deadline))
            for queueKey in queueKeys + [foreign] { queueKey.leaveBehind() }

            let queue = FairQueue(session: session, name: name, staleKeys: staleKeys)
            let queueKey = queue.queueKey(.exclusive, "")
            let before = try await queue.join(queueKey)
            #expect(
                try await client.range(.prefix(name + "/")).entries.map(\.key).sorted()
                    == [queueKey.key, foreign.key].sorted()
            )
            #expect(staleKeys.batch.keys.isEmpty)
            if count == 1, let first = queueKeys.first {
                #expect(before.count == 1)
                var gone: Revision?
                for try await event in client.watch(.key(first.key), from: first.createRevision) {
                    if event.kind == .delete { gone = event.revision }
                    if gone != nil { break }
                }
                #expect(gone == queueKey.createRevision)
            }
            await QueueKey.leave([queueKey])
            try await client.delete(.prefix(name))
            try await client.leases.revoke(lost.lease.id)
            await lost.close()
        }
    }

    @Test("a key without a lease blocks a leadership loop, which reports it, and goes on once the key is deleted")
    func stray() async throws {
        try await withSession { session, name in
            let events = Lock<[LeaderElection.Event]>([])
            var election = try LeaderElection("\(name)", candidate: "a", on: .client(session.client)) { event in
                events.withLock { $0.append(event) }
            }
            election.backoff = Backoff(initial: .milliseconds(10), maximum: .milliseconds(100), multiplier: 2)
            let (terms, hindrances) = (Lock(0), Lock<[any Error]>([]))
            try await session.client.put(name + "/stray", "")
            let running = Task { [election] in
                try await election.run { _ in
                    terms.withLock { $0 += 1 }
                    try await Task.sleep(for: .seconds(600))
                }
            }
            // A leader task reports it, too.
            let task = try LeaderTask("\(name + "-task")", on: election, every: .seconds(1)) { event in
                if case .hindered(let error) = event { hindrances.withLock { $0.append(error) } }
            } _: { _ in
            }
            task.start()
            try await eventually("both have said so more than once") {
                events.withLock { $0.count } > 3 && hindrances.withLock { $0.count } > 1
            }
            #expect(hindrances.withLock { $0 }.allSatisfy { ($0 as? QueueBlocked)?.key == name + "/stray" })
            #expect(terms.withLock { $0 } == 0)
            #expect(
                events.withLock { $0 }.allSatisfy { event in
                    if case .hindered(let error) = event { (error as? QueueBlocked)?.name == "\(name)" } else { false }
                }
            )
            try await session.client.delete(name + "/stray")
            try await eventually("one of them leads") { try await election.leader() != nil }
            await task.stop()
            try await eventually("it leads") { terms.withLock { $0 } == 1 }
            running.cancel()
            try await running.value
            try await session.client.delete(.prefix(name))
        }
    }
}
