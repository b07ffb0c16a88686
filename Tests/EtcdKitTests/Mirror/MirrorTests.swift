// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("KeyMirror", .cluster, .timeLimit(.minutes(1)))
struct MirrorTests {
    @Test("a mirror has the entries of its range, and follows changes")
    func following() async throws {
        try await withLiveClient { client, prefix in
            for number in 1000..<3500 { try await client.put(prefix + Key("\(number)"), "old") }
            try await client.put("outside/" + prefix, "x")
            try await client.withMirror(of: .prefix(prefix)) { mirror in
                let first = mirror.view
                #expect(first.count == 2500)
                #expect(first[prefix + "2000"]?.value == "old")
                #expect(first.entries(in: .prefix(prefix + "20")).count { _ in true } == 100)

                let revision = try await client.transaction(then: [
                    .put(prefix + "2000", "new"), .delete(prefix + "2001"), .put(prefix + "4000", "new"),
                ]).header.revision
                let second = try await mirror.waitUntil(revision: revision)
                #expect(second.revision == revision && second.count == 2500)
                #expect(second[prefix + "2000"]?.value == "new")
                #expect(second[prefix + "2001"] == nil)
                #expect(first.count == 2500 && first[prefix + "2001"] != nil)
                #expect(try await Array(second) == client.range(.prefix(prefix), options: at(revision)).entries)
                #expect(mirror.failure == nil)
            }
        }
    }

    private func at(_ revision: Revision) -> RangeOptions {
        var options = RangeOptions()
        options.revision = revision
        return options
    }

    @Test("a consistent read sees the caller's own last write, and comes back when nobody writes to the range")
    func consistentReads() async throws {
        try await withLiveClient { client, prefix in
            try await client.withMirror(of: .prefix(prefix)) { mirror in
                for number in 0..<300 {
                    let key = prefix + Key("\(number % 7)")
                    let revision: Revision
                    switch number % 4 {
                    case 0: revision = try await client.delete(key).header.revision
                    case 1: revision = try await client.put("outside/" + prefix, "\(number)").header.revision
                    default: revision = try await client.put(key, "\(number)").header.revision
                    }
                    let view = try await mirror.consistentView()
                    #expect(view.revision >= revision)
                    if number % 4 == 0 { #expect(view[key] == nil) }
                    if number % 4 > 1 { #expect(view[key]?.value == Value("\(number)")) }
                }
                #expect(try #require(mirror.staleness) < .seconds(1))
            }
        }
    }

    @Test("a wait for a revision that changed nothing in the range ends, and can be cancelled")
    func waiting() async throws {
        try await withLiveClient { client, prefix in
            try await client.withMirror(of: .prefix(prefix)) { mirror in
                let revision = try await client.put("outside/" + prefix, "x").header.revision
                #expect(try await mirror.waitUntil(revision: revision).revision >= revision)
                let waiting = Task { try await mirror.waitUntil(revision: Revision(rawValue: .max)) }
                let reading = Task {
                    for try await view in mirror.views where view.count > 1_000_000 { return }
                }
                let listening = Task {
                    for try await change in mirror.changes where change.count > 1_000_000 { return }
                }
                try await Task.sleep(for: .milliseconds(50))
                waiting.cancel()
                reading.cancel()
                listening.cancel()
                await expectError(.cancelled) { try await waiting.value }
                await expectError(.cancelled) { try await reading.value }
                await expectError(.cancelled) { try await listening.value }
            }
        }
    }

    @Test("views skip to the newest; changes skip to the difference, and end in the exact final state")
    func slowConsumers() async throws {
        try await withLiveClient { client, prefix in
            var options = MirrorOptions()
            options.maximumPendingChanges = 50
            try await client.withMirror(of: .prefix(prefix), options: options) { mirror in
                var views = mirror.views.makeAsyncIterator()
                var changes = mirror.changes.makeAsyncIterator()
                #expect(try await views.next()?.isEmpty == true)
                #expect(try await changes.next()?.isEmpty == true)
                var replica: [Key: KeyValue] = [:]
                for burst in [10, 1000] {
                    var last: Revision = 0
                    for number in 0..<burst {
                        let key = prefix + Key("\(number % 40)")
                        if number % 3 == 2 { try await client.delete(key) }
                        last = try await client.put(key, "\(number)").header.revision
                    }
                    try await mirror.waitUntil(revision: last)
                    // One step each brings them to the end.
                    let view = try #require(try await views.next())
                    #expect(view.revision >= last)
                    var revision: Revision = 0
                    var count = 0
                    while revision < last {
                        let change = try #require(try await changes.next())
                        for entry in change.deletions { #expect(replica.removeValue(forKey: entry.key) == entry) }
                        for put in change.puts {
                            #expect(replica.updateValue(put.entry, forKey: put.entry.key) == put.previous)
                        }
                        revision = change.revision
                        count += 1
                        #expect(change.isDifference == (burst == 1000))
                    }
                    #expect(count == (burst == 1000 ? 1 : burst))
                    #expect(replica.values.sorted { $0.key < $1.key } == Array(view))
                }
            }
        }
    }

    @Test("a reader never sees half of a transaction")
    func transactions() async throws {
        try await withLiveClient { client, prefix in
            try await client.withMirror(of: .prefix(prefix)) { mirror in
                let isDone = Lock(false)
                async let reads: Int = {
                    var count = 0
                    while !isDone.withLock({ $0 }) {
                        let values = Set(mirror.view.map(\.value))
                        if values.count > 1 { Issue.record("\(values)") }
                        count += 1
                        await Task.yield()
                    }
                    return count
                }()
                for round in 0..<200 {
                    try await client.transaction(then: (0..<10).map { .put(prefix + Key("\($0)"), Value("\(round)")) })
                }
                isDone.withLock { $0 = true }
                #expect(await reads > 100)
            }
        }
    }

    @Test("a mirror without a scope ends when it is closed, and when it is dropped, and leaves no watch behind")
    func handles() async throws {
        try await withPrivateEtcd { client, cluster in
            func watchers() async throws -> Double? {
                try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total")
            }
            let mirror = try await client.mirror(of: .prefix("k/"))
            try await client.put("k/1", "x")
            #expect(try await mirror.consistentView().count == 1)
            #expect(try await watchers() == 1)
            await mirror.close()
            #expect(mirror.failure?.code == .cancelled)
            #expect(mirror.view.count == 1)
            await expectError(.cancelled) { try await mirror.consistentView() }
            await expectError(.cancelled) { try await mirror.waitUntil(revision: 1000) }

            var dropped: KeyMirror? = try await client.mirror(of: .prefix("k/"))
            let changes = try #require(dropped?.changes)
            dropped = nil
            await expectError(.cancelled) { for try await _ in changes {} }
            try await client.withMirror(of: .prefix("k/")) { _ in }
            try await eventually("no watch is left") { try await watchers() == 0 }
            await expectError(.invalidArgument) { try await client.mirror(of: .between("b", "a")) }
        }
    }

    @Test("an error that ends a mirror ends its scope and its readers, which throw it; the last view stays")
    func failure() async throws {
        try await withLiveClient { client, prefix in
            try await client.put(prefix + "a", "x")
            let other = try EtcdClient(client.configuration)
            let kept = Lock<KeyMirror?>(nil)
            let readers = Lock<[Task<Void, any Error>]>([])
            await expectError(.clientClosed) {
                try await other.withMirror(of: .prefix(prefix)) { mirror in
                    // Not child tasks, which would end with the scope in any case.
                    let tasks: [Task<Void, any Error>] = [
                        Task { for try await _ in mirror.changes {} },
                        Task { for try await _ in mirror.views {} },
                        Task { _ = try await mirror.waitUntil(revision: Revision(rawValue: .max)) },
                    ]
                    readers.withLock { $0 = tasks }
                    kept.withLock { $0 = mirror }
                    await other.close()
                    // The end of the mirror cancels it.
                    try await Task.sleep(for: .seconds(1000))
                }
            }
            for reader in readers.withLock({ $0 }) { await expectError(.clientClosed) { try await reader.value } }
            let mirror = try #require(kept.withLock { $0 })
            #expect(mirror.failure?.code == .clientClosed && mirror.isStale)
            #expect(mirror.view.map(\.value) == ["x"])
            await expectError(.clientClosed) { try await mirror.consistentView() }
            await expectError(.clientClosed) { try await other.withMirror(of: .prefix(prefix)) { _ in } }
        }
    }

    @Test("a user without read permission gets no mirror, and a mirror ends when the permission is revoked")
    func permission() async throws {
        try await withAuthenticatingEtcd { root, cluster in
            try await withEtcdClient(cluster.configuration(user: "alice")) { alice in
                await expectError(.permissionDenied) { try await alice.withMirror(of: .prefix("b/")) { _ in } }
                var options = MirrorOptions()
                options.checkInterval = .milliseconds(100)
                await expectError(.permissionDenied) {
                    try await alice.withMirror(of: .prefix("a/"), options: options) { mirror in
                        try await root.put("a/1", "x")
                        #expect(try await mirror.consistentView().count == 1)
                        try await root.auth.users.revoke(role: "alice", from: "alice")
                        try await Task.sleep(for: .seconds(1000))
                    }
                }
            }
        }
    }
}
