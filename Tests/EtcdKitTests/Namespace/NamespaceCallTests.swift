// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Namespace: calls", .cluster, .timeLimit(.minutes(1)))
struct NamespaceCallTests {
    @Test("put, get, touch and delete name keys without the prefix, in answers too")
    func calls() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            #expect(try await view.put("k", "1", returningPrevious: true).previous == nil)
            #expect(try await view.put("k", "2", returningPrevious: true).previous?.key == "k")
            #expect(try await view.get("k")?.key == "k")
            #expect(try await client.get(prefix + "k")?.value == "2")
            let lease = try await view.leases.grant(timeToLive: .seconds(60))
            let touched = try await view.touch("k", lease: lease.id, returningPrevious: true)
            #expect(touched.previous?.key == "k" && touched.previous?.value == "2")
            #expect(try await client.get(prefix + "k")?.lease == lease.id)
            await expectError(.keyNotFound) { try await view.touch("missing") }
            #expect(try await view.delete("k", returningPrevious: true).previous.map(\.key) == ["k"])
            #expect(try await client.range(.prefix(prefix)).count == 0)
        }
    }

    @Test("other views of the client keep the namespace, views within it add theirs, an empty one adds nothing")
    func views() async throws {
        try await withLiveClient { client, prefix in
            let outer = client.with(namespace: prefix)
            let inner = outer.with(timeout: .seconds(5)).with(namespace: "in/").with(retry: .never).with(namespace: "")
            #expect(client.namespace == "" && client.with(namespace: "").scope == nil)
            #expect(inner.namespace == prefix + "in/" && inner.timeout == .seconds(5))
            try await inner.put("k", "inner")
            try await outer.put("k", "outer")
            try await outer.put("in0", "outer")
            #expect(try await outer.range(.all).entries.map(\.key) == ["in/k", "in0", "k"])
            #expect(try await inner.range(.all).entries.map(\.key) == ["k"])
            #expect(try await inner.delete(.all).deleted == 1)
            #expect(try await client.range(.prefix(prefix)).entries.map(\.value) == ["outer", "outer"])
            _ = try await client.delete(.prefix(prefix))
        }
    }

    @Test("transactions: conditions, also over ranges, operations and answers, at every depth")
    func transactions() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix + "v/")
            let first = try await client.put(prefix + "w", "outside").header.revision
            try await view.put("a", "1")
            let last = try await view.put("b", "1").header.revision
            // The conditions do not see keys before and after the namespace.
            let conditions: [Compare] = [
                .exists("a"), .isMissing("w"), .value("b") == "1", .value(in: .all) == "1",
                .modRevision(in: .all) > first, .modRevision(in: .from("b")) == last, .value(in: .prefix("b")) == "1",
            ]
            let response = try await view.transaction(
                if: conditions,
                then: [
                    .get("a"), .range(.all), .put("a", "2", returningPrevious: true),
                    .transaction(
                        if: [.value(in: .between("a", "b")) == "1"],
                        then: [
                            .transaction(if: [.isMissing("a")], then: [], else: [.touch("b", returningPrevious: true)]),
                            .delete(.prefix("c"), returningPrevious: true), .range(.from("a")),
                        ]
                    ),
                ]
            )
            try #require(response.succeeded && response.results.count == 4)
            #expect(response.results[0].entries.map(\.key) == ["a"])
            #expect(response.results[1].entries.map(\.key) == ["a", "b"])
            #expect(response.results[2].previous.map(\.key) == ["a"])
            guard case .transaction(let nested) = response.results[3] else { throw Missing() }
            try #require(nested.succeeded && nested.results.count == 3)
            guard case .transaction(let innermost) = nested.results[0] else { throw Missing() }
            #expect(!innermost.succeeded && innermost.results.first?.previous.map(\.key) == ["b"])
            #expect(nested.results[2].entries.map(\.key) == ["a", "b"])
            #expect(try await client.range(.prefix(prefix)).entries.map(\.value) == ["2", "1", "outside"])

            try await view.transaction(then: [.delete(.all)])
            #expect(try await client.range(.prefix(prefix)).entries.map(\.key) == [prefix + "w"])
        }
    }

    private struct Missing: Error {}

    @Test("an empty key is refused before anything is sent, also where the prefix would make it a key")
    func emptyKeys() async throws {
        try await withPrivateEtcd { plain, cluster in
            let log = EventLog()
            var configuration = try EtcdClient.Configuration(endpoints: cluster.members[0].endpoint)
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { client in
                let view = client.with(namespace: "n/")
                try await plain.put("n/", "the prefix itself")
                await expectError(.emptyKey) { try await view.get("") }
                await expectError(.emptyKey) { try await view.put("", "1") }
                await expectError(.emptyKey) { try await view.touch("") }
                await expectError(.emptyKey) { try await view.delete("") }
                await expectError(.emptyKey) { try await view.transaction(if: [.exists("")], then: []) }
                await expectError(.emptyKey) { try await view.transaction(then: [], else: [.get("")]) }
                await expectError(.emptyKey) {
                    try await view.transaction(then: [.transaction(if: [], then: [.delete("")])])
                }
                for try await _ in view.entries(in: .all) { Issue.record("the namespace is empty") }
                #expect(try await view.delete(.all).deleted == 0)
                #expect(try await view.range(.prefix("")).count == 0)
                let compare = try await view.transaction(if: [.createRevision(in: .all) == 0], then: [])
                #expect(compare.succeeded)
                await expectError(.invalidArgument) {
                    var iterator = view.watch(.key("")).makeAsyncIterator()
                    return try await iterator.next()
                }
                #expect(try await plain.get("n/")?.value == "the prefix itself")
                // The control: without a namespace, the server refuses.
                await expectError(.emptyKey) { try await client.put("", "1") }
                #expect(log.callCount == 5)
            }
        }
    }

    @Test("a lease's keys are those of the namespace; its end deletes the others too")
    func leases() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix + "v/")
            let lease = try await view.leases.grant(timeToLive: .seconds(60))
            for key: Key in ["v/a", "v/b", "w", "v/", "v"] { try await client.put(prefix + key, "1", lease: lease.id) }
            #expect(try await Set(view.leases.timeToLive(of: lease.id, withKeys: true).keys) == ["a", "b"])
            #expect(try await client.leases.timeToLive(of: lease.id, withKeys: true).keys.count == 5)
            #expect(try await view.leases.list().contains(lease.id))
            try await view.leases.revoke(lease.id)
            #expect(try await client.range(.prefix(prefix)).count == 0)
        }
    }

    @Test("etcd's own locks and elections are those of the namespace")
    func locksAndElections() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            try await view.withLease(timeToLive: .seconds(60)) { lease in
                let key = try await view.lockService.lock("lock", lease: lease.id)
                #expect(key.bytes.starts(with: "lock/".utf8))
                #expect(try await client.get(prefix + key)?.lease == lease.id)
                try await view.lockService.unlock(key)
                #expect(try await view.get(key) == nil)

                let elections = view.electionService
                let leader = try await elections.campaign("election", value: "me", lease: lease.id)
                #expect(leader.election == "election" && leader.key.bytes.starts(with: "election/".utf8))
                #expect(try await elections.leader(of: "election")?.key == leader.key)
                try await elections.proclaim("still me", as: leader)
                var leaders = elections.observe("election").makeAsyncIterator()
                let observed = try await leaders.next()
                #expect(observed?.key == leader.key && observed?.value == "still me")
                #expect(try await client.get(prefix + leader.key)?.value == "still me")
                try await elections.resign(leader)
                #expect(try await client.range(.prefix(prefix)).count == 0)
            }
        }
    }

    @Test("revisions and compactions are those of the whole store")
    func compaction() async throws {
        try await withPrivateEtcd { client, _ in
            let view = client.with(namespace: "n/")
            let revision = try await view.put("k", "1").header.revision
            #expect(try await client.put("other", "1").header.revision == revision.next)
            try await view.put("k", "2")
            #expect(try await view.get("k", at: revision)?.value == "1")
            try await view.compact(at: revision.next)
            await expectError(.compacted) { try await client.get("other", at: revision) }
        }
    }
}

extension EventLog {
    fileprivate var callCount: Int {
        events.count { if case .callStarted = $0 { true } else { false } }
    }
}
