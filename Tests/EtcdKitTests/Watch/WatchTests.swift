// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Watch", .cluster, .timeLimit(.minutes(1)))
struct WatchTests {
    /// The next `count` events.
    private func take(_ count: Int, of events: WatchSequence) async throws -> [WatchEvent] {
        var taken: [WatchEvent] = []
        if count == 0 { return taken }
        for try await event in events {
            taken.append(event)
            if taken.count == count { break }
        }
        return taken
    }

    @Test("a watch covers a key, a prefix, an interval or everything from a key on")
    func ranges() async throws {
        try await withLiveClient { client, prefix in
            let start = try await client.put(prefix + "a", "1").header.revision
            for name in ["b", "b/1", "b/2", "c", "d"] { try await client.put(prefix + Key(name), "1") }
            let end = try await client.put(prefix + "a", "2").header.revision
            let expectations: [(KeyRange, [String])] = [
                (.key(prefix + "b"), ["b"]),
                (.prefix(prefix + "b"), ["b", "b/1", "b/2"]),
                (.between(prefix + "b/1", prefix + "d"), ["b/1", "b/2", "c"]),
                (.prefix(prefix), ["a", "b", "b/1", "b/2", "c", "d", "a"]),
            ]
            for (range, names) in expectations {
                let events = try await take(names.count, of: client.watch(range, from: start))
                #expect(events.map(\.key) == names.map { prefix + Key($0) }, "\(range)")
            }
            // Other tests write to this etcd, too, so only the own keys count in open-ended ranges.
            for range in [KeyRange.from(prefix + "c"), .all] {
                var own: [Key] = []
                for try await event in client.watch(range, from: start) {
                    if event.key.hasPrefix(prefix) { own.append(event.key) }
                    if event.revision >= end { break }
                    if range != .all && own.count == 2 { break }
                }
                let names = range == .all ? ["a", "b", "b/1", "b/2", "c", "d", "a"] : ["c", "d"]
                #expect(own == names.map { prefix + Key($0) }, "\(range)")
            }
        }
    }

    @Test("an event has its kind, its entry, its revision, and on request the previous entry")
    func contents() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            var options = WatchOptions()
            options.includesPrevious = true
            let lease = try await client.leases.grant(timeToLive: .seconds(60))
            let events = try await client.withWatch(.key(key), options: options) { events in
                try await client.put(key, "1")
                try await client.put(key, "2", lease: lease.id)
                try await client.leases.revoke(lease.id)
                return try await take(3, of: events)
            }
            #expect(events.map(\.kind) == [.put, .put, .delete])
            #expect(events.map(\.isCreation) == [true, false, false])
            #expect(events.map(\.previous?.value) == [nil, "1", "2"])
            #expect(events.map(\.entry.value) == ["1", "2", ""])
            #expect(events[1].entry.lease == lease.id)
            #expect(events[1].entry.version == 2)
            #expect(events[0].revision < events[1].revision && events[1].revision < events[2].revision)

            let plain = try await take(2, of: client.watch(.key(key), from: events[0].revision))
            #expect(plain.allSatisfy { $0.previous == nil })
        }
    }

    @Test("puts or deletions can be filtered out")
    func filters() async throws {
        try await withLiveClient { client, prefix in
            let first = try await client.put(prefix + "a", "1").header.revision
            try await client.delete(prefix + "a")
            try await client.put(prefix + "b", "1")
            try await client.delete(prefix + "b")
            try await client.put(prefix + "end", "1")
            try await client.delete(prefix + "end")
            var options = WatchOptions()
            options.ignoresPuts = true
            let deletions = try await take(3, of: client.watch(.prefix(prefix), from: first, options: options))
            #expect(deletions.map(\.kind) == [.delete, .delete, .delete])
            options.ignoresPuts = false
            options.ignoresDeletes = true
            let puts = try await take(3, of: client.watch(.prefix(prefix), from: first, options: options))
            #expect(puts.map(\.kind) == [.put, .put, .put])
        }
    }

    @Test("a batch holds all changes of one revision, and nothing else")
    func batches() async throws {
        try await withLiveClient { client, prefix in
            let operations = (0..<10).map { TransactionOperation.put(prefix + Key("\($0)"), "x") }
            let first = try await client.transaction(then: operations).header.revision
            let second = try await client.put(prefix + "5", "y").header.revision
            let third = try await client.delete(.prefix(prefix)).header.revision
            var batches: [WatchBatch] = []
            for try await batch in client.watch(.prefix(prefix), from: first).batches {
                batches.append(batch)
                if batches.count == 3 { break }
            }
            #expect(batches.map(\.revision) == [first, second, third])
            #expect(batches.map(\.events.count) == [10, 1, 10])
            #expect(batches.allSatisfy { batch in batch.events.allSatisfy { $0.revision == batch.revision } })
        }
    }

    @Test("progress arrives on request, and only for a watch that asked for it")
    func progress() async throws {
        try await withPrivateEtcd { client, _ in
            var options = WatchOptions()
            options.reportsProgress = true
            try await client.withWatch(.key("quiet"), options: options) { events in
                let newest = try await client.put("other", "1").header.revision
                var iterator = events.batches.makeAsyncIterator()
                await client.requestWatchProgress()
                let batch = try #require(try await iterator.next())
                #expect(batch.events.isEmpty)
                #expect(batch.revision == newest)
            }
            // The control: without the option, the next thing to come is the change itself.
            try await client.withWatch(.key("quiet")) { events in
                await client.requestWatchProgress()
                try await client.put("quiet", "1")
                var iterator = events.batches.makeAsyncIterator()
                #expect(try await iterator.next()?.events.count == 1)
            }
        }
    }

    @Test("answers that etcd cuts into fragments are put together, also within a revision (etcd#9294)")
    func fragments() async throws {
        try await withLiveClient { client, prefix in
            let value = Value(bytes: Array(repeating: 7, count: 100_000))
            // With the entries before, one revision is larger than a fragment (2 MiB).
            let operations = (0..<13).map { TransactionOperation.put(prefix + Key("\($0)"), value) }
            let first = try await client.transaction(then: operations).header.revision
            for _ in 0..<3 { try await client.transaction(then: operations) }
            var options = WatchOptions()
            options.includesPrevious = true
            options.bufferSize = 64 << 20
            var batches: [WatchBatch] = []
            for try await batch in client.watch(.prefix(prefix), from: first, options: options).batches {
                batches.append(batch)
                if batches.count == 4 { break }
            }
            #expect(batches.map(\.events.count) == [13, 13, 13, 13])
            #expect(batches.allSatisfy { $0.events.allSatisfy { $0.entry.value == value } })
        }
    }

    @Test("a compacted revision is a typed error with the oldest revision that is left")
    func compaction() async throws {
        try await withPrivateEtcd { client, _ in
            for number in 0..<10 { try await client.put("k", "\(number)") }
            let newest = try await client.put("k", "end").header.revision
            try await client.compact(at: newest)
            do {
                for try await event in client.watch(.key("k"), from: 2) { Issue.record("\(event)") }
                Issue.record("the watch ended")
            } catch let error as EtcdError {
                #expect(error.code == .compacted)
                #expect(error.compactRevision == newest)
            }
            #expect(try await take(1, of: client.watch(.key("k"), from: newest)).first?.entry.value == "end")
        }
    }

    @Test("a watch waits for a future revision")
    func future() async throws {
        try await withPrivateEtcd { client, _ in
            let now = try await client.put("k", "0").header.revision
            let from = Revision(rawValue: now.rawValue + 3)
            try await client.withWatch(.key("k"), from: from) { events in
                for number in 1...4 { try await client.put("k", "\(number)") }
                let seen = try await take(2, of: events)
                #expect(seen.map(\.entry.value) == ["3", "4"])
            }
        }
    }

    @Test("an invalid range or revision is refused at once, without a connection")
    func refusals() async throws {
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            for (range, revision) in [
                (KeyRange.key(""), nil), (.between("b", "a"), nil), (.key("k"), -1),
            ] as [(KeyRange, Revision?)] {
                await expectError(.invalidArgument) {
                    try await client.withWatch(range, from: revision) { _ in }
                }
            }
        }
    }

    @Test("a watch ends at the server when its iterator is dropped, its task cancelled, or its scope left")
    func ending() async throws {
        try await withPrivateEtcd { client, cluster in
            let member = cluster.members[0]
            func watchersAtServer() async throws -> Double? {
                try await member.metric("etcd_debugging_mvcc_watcher_total")
            }
            try await client.put("k", "1")
            // One watch that stays keeps the shared stream open, so that the others must be cancelled one by one.
            try await client.withWatch(.key("other")) { _ in
                for try await _ in client.watch(.key("k"), from: 1) { break }
                try await client.withWatch(.key("k")) { _ in
                    try await eventually("two watches") { try await watchersAtServer() == 2 }
                }
                let tasks = (0..<20).map { _ in
                    Task { for try await _ in client.watch(.key("k")) {} }
                }
                try await eventually("21 watches") { try await watchersAtServer() == 21 }
                for task in tasks { task.cancel() }
                for task in tasks { await expectError(.cancelled) { try await task.value } }
                try await eventually("one watch is left") { try await watchersAtServer() == 1 }
            }
            try await eventually("no watch is left") { try await watchersAtServer() == 0 }
        }
    }

    @Test("a thousand watches share a few streams, and each sees its own key (etcd#8338)")
    func many() async throws {
        try await withPrivateEtcd { client, cluster in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        let events = try await take(1, of: client.watch(.key("k/\(number)"), from: 1))
                        #expect(events.first?.entry.value == "\(number)")
                    }
                }
                try await eventually("1000 watches") {
                    try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") == 1000
                }
                let streams = try await cluster.members[0].metric("etcd_debugging_mvcc_watch_stream_total") ?? 0
                #expect(streams <= 8)
                for number in 0..<1000 {
                    group.addTask { try await client.put("k/\(number)", "\(number)") }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("tasks that iterate over one running watch share its events between them")
    func sharedWatch() async throws {
        try await withLiveClient { client, prefix in
            try await client.withWatch(.prefix(prefix)) { events in
                let seen = Lock<[Key]>([])
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<3 {
                        group.addTask {
                            for try await event in events { seen.withLock { $0.append(event.key) } }
                        }
                    }
                    for number in 0..<20 { try await client.put(prefix + Key("\(number)"), "x") }
                    try await eventually("20 events") { seen.withLock { $0.count } == 20 }
                    group.cancelAll()
                    await expectError(.cancelled) { try await group.waitForAll() }
                }
                #expect(Set(seen.withLock { $0 }).count == 20)
            }
        }
    }

    @Test("a watch goes on over a restart of the server, without a gap")
    func serverRestart() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.withWatch(.prefix("k")) { events in
                try await client.put("k", "before")
                await cluster.members[0].kill()
                try await cluster.members[0].restart()
                try await client.put("k", "after")
                #expect(try await take(2, of: events).map(\.entry.value) == ["before", "after"])
            }
        }
    }

    @Test("closing the client ends its watches; a watch of an unreachable etcd fails with an error (etcd#7247)")
    func unavailability() async throws {
        try await withPrivateEtcd { client, cluster in
            let waiting = Task { for try await _ in client.watch(.key("k")) {} }
            try await client.withWatch(.key("k")) { _ in }
            try await eventually("the watch has begun") {
                try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") == 1
            }
            await client.close()
            await expectError(.clientClosed) { try await waiting.value }
            await expectError(.clientClosed) { try await client.withWatch(.key("k")) { _ in } }

            let endpoint = cluster.members[0].endpoint
            await cluster.members[0].kill()
            let other = try EtcdClient(endpoints: endpoint).with(timeout: .milliseconds(300))
            do {
                try await other.withWatch(.key("k")) { _ in }
                Issue.record("a watch without a server")
            } catch let error as EtcdError {
                #expect(error.code == .unavailable)
                #expect(error.message.contains(endpoint))
            }
        }
    }
}
