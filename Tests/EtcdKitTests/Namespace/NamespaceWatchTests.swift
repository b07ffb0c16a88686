// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Namespace: watches", .cluster, .timeLimit(.minutes(1)))
struct NamespaceWatchTests {
    @Test("a watch of all keys sees those of the namespace, with previous entries, in batches, and no others")
    func all() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix + "v/").with(namespace: "in/")
            var options = WatchOptions()
            options.includesPrevious = true
            try await view.withWatch(.all, options: options) { events in
                var iterator = events.batches.makeAsyncIterator()
                let outside = ["v/", "v/in", "v/in/", "v/in0", "v", "w"].map { prefix + $0 }
                try await client.transaction(
                    then: outside.map { .put($0, "outside") } + [
                        .put(prefix + "v/in/a", "1"), .put(prefix + "v/in/b", "1"),
                    ]
                )
                try await client.delete(.prefix(prefix))
                let puts = try #require(try await iterator.next())
                #expect(puts.events.map(\.key) == ["a", "b"])
                #expect(puts.events.allSatisfy { $0.previous == nil && $0.isCreation })
                let deletions = try #require(try await iterator.next())
                #expect(deletions.events.map(\.key) == ["a", "b"])
                #expect(deletions.events.map(\.kind) == [.delete, .delete])
                #expect(deletions.events.map { $0.previous?.key } == ["a", "b"])
                #expect(deletions.revision == puts.revision.next)
            }
        }
    }

    @Test("keys, prefixes and ranges are watched by their names within the namespace", arguments: 0..<5)
    func ranges(index: Int) async throws {
        let ranges: [(KeyRange, [Key])] = [
            (.key("b"), ["b"]), (.prefix("b"), ["b", "b1", "b\u{7f}"]), (.between("a", "b1"), ["a", "b"]),
            (.from("b1"), ["b1", "b\u{7f}", "c", Key(bytes: [0xff, 0xff])]),
            (.prefix(Key(bytes: [0xff])), [Key(bytes: [0xff, 0xff])]),
        ]
        let (range, expected) = ranges[index]
        try await withLiveClient { client, prefix in
            // The prefix ends in 0xff, so the namespace ends at a shorter key.
            let prefix = prefix + Key(bytes: [0xff])
            let start = try await client.put(prefix, "1").header.revision
            let names = ["a", "b", "b1", "b\u{7f}", "c", Key(bytes: [0xff, 0xff])]
            for name in names { try await client.put(prefix + name, "1") }
            var iterator = client.with(namespace: prefix).watch(range, from: start).makeAsyncIterator()
            var seen: [Key] = []
            while seen.count < expected.count, let event = try await iterator.next() { seen.append(event.key) }
            #expect(seen == expected)
        }
    }

    @Test("after a compaction, the difference is of the namespace, with its names", arguments: ["n/", "n\u{7f}/in/"])
    func resync(name: String) async throws {
        let namespace = Key(name)
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                let log = EventLog()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                log.attach(to: &configuration)
                try await withEtcdClient(configuration) { client in
                    for key: Key in ["same", "changed", "gone"] { try await writer.put(namespace + key, "old") }
                    try await writer.put("changed", "outside")
                    var options = WatchOptions()
                    options.onCompaction = .resync
                    try await client.with(namespace: namespace).withWatch(.all, options: options) { events in
                        var iterator = events.batches.makeAsyncIterator()
                        try await writer.put(namespace + "live", "1")
                        #expect(try await iterator.next()?.events.map(\.key) == ["live"])

                        await proxy.refuseConnections()
                        await proxy.cut()
                        try await writer.put(namespace + "changed", "new")
                        try await writer.put(namespace + "new", "new")
                        try await writer.delete(namespace + "gone")
                        let revision = try await writer.put("changed", "outside").header.revision
                        try await writer.compact(at: revision)
                        try await proxy.acceptConnections()

                        let batch = try #require(try await iterator.next())
                        #expect(batch.isResync)
                        #expect(batch.events.map(\.key) == ["changed", "new", "gone"])
                        #expect(batch.events.map(\.kind) == [.put, .put, .delete])
                        try await writer.put(namespace + "live", "2")
                        let next = try #require(try await iterator.next())
                        #expect(next.events.map(\.key) == ["live"] && !next.isResync)
                    }
                    #expect(log.resyncs.count == 1)
                }
            }
        }
    }
}
