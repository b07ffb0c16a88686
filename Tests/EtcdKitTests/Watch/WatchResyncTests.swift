// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Watch: cut off during a compaction", .cluster, .serialized, .timeLimit(.minutes(2)))
struct WatchResyncTests {
    /// A watch that throws or not, and everything that it sees.
    private struct Outcome {
        var batches: [WatchBatch] = []
        var error: EtcdError?
        var resyncs: [Revision] = []
        /// The entries that a reader of the store finds in the end.
        var entries: [KeyValue] = []
        /// The revision before which history is gone.
        var compacted: Revision = 0
    }

    /// Cuts a watch of the keys under `k/` off while `changes` are made and compacted, and lets it see one more change.
    private func outcome(
        _ options: WatchOptions,
        before: (EtcdClient) async throws -> Void = { try await prepare($0) },
        during changes: (EtcdClient) async throws -> Void = { try await change($0) },
        signal: (EtcdClient, Value) async throws -> Revision = { try await $0.put("k/live", $1).header.revision }
    ) async throws -> Outcome {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                let log = EventLog()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                log.attach(to: &configuration)
                return try await withEtcdClient(configuration) { client in
                    var outcome = Outcome()
                    try await before(writer)
                    try await client.withWatch(.prefix("k/"), options: options) { events in
                        var iterator = events.batches.makeAsyncIterator()
                        _ = try await signal(writer, "1")
                        if let first = try await iterator.next() { outcome.batches.append(first) }

                        await proxy.refuseConnections()
                        await proxy.cut()
                        try await changes(writer)
                        outcome.compacted = try await writer.put("other", "1").header.revision
                        try await writer.compact(at: outcome.compacted)
                        try await proxy.acceptConnections()
                        do {
                            if let batch = try await iterator.next() { outcome.batches.append(batch) }
                            let last = try await signal(writer, "2")
                            while outcome.batches.last?.revision != last {
                                guard let batch = try await iterator.next() else { break }
                                outcome.batches.append(batch)
                            }
                        } catch let error as EtcdError {
                            outcome.error = error
                        }
                        for try await entry in writer.entries(in: .prefix("k/")) { outcome.entries.append(entry) }
                    }
                    outcome.resyncs = log.resyncs
                    return outcome
                }
            }
        }
    }

    private static func prepare(_ client: EtcdClient) async throws {
        for name in ["changed", "deleted", "remade", "same"] { try await client.put("k/" + Key(name), "old") }
    }

    private static func change(_ client: EtcdClient) async throws {
        try await client.put("k/changed", "new")
        try await client.put("k/new", "new")
        try await client.delete("k/deleted")
        try await client.delete("k/remade")
        try await client.put("k/remade", "new")
        try await client.put("k/gone", "never seen")
        try await client.delete("k/gone")
    }

    private func options(_ change: (inout WatchOptions) -> Void = { _ in }) -> WatchOptions {
        var options = WatchOptions()
        options.onCompaction = .resync
        change(&options)
        return options
    }

    @Test("the watch delivers the difference as one batch, and goes on from there (cilium#3011)")
    func difference() async throws {
        let outcome = try await outcome(options())
        #expect(outcome.error == nil)
        #expect(outcome.batches.map(\.isResync) == [false, true, false])
        let batch = try #require(outcome.batches.dropFirst().first)
        #expect(batch.events.map(\.key) == ["k/changed", "k/new", "k/remade", "k/deleted"])
        #expect(batch.events.map(\.kind) == [.put, .put, .put, .delete])
        #expect(batch.events.prefix(3).allSatisfy { outcome.entries.contains($0.entry) })
        #expect(batch.events.last?.revision == batch.revision)
        #expect(batch.revision >= outcome.compacted)
        #expect(outcome.resyncs == [batch.revision])
        #expect(outcome.batches.last?.events.map(\.entry.value) == ["2"])
    }

    @Test("the control: without the option, the watch throws")
    func control() async throws {
        let outcome = try await outcome(WatchOptions())
        #expect(outcome.error?.code == .compacted)
        #expect(outcome.batches.count == 1)
        #expect(outcome.resyncs.isEmpty)
    }

    @Test("a filter of changes also filters the difference, which is still exact")
    func filters() async throws {
        // Without deletions, and without puts, of which the watch must know nevertheless.
        let puts = try await outcome(options { $0.ignoresDeletes = true })
        #expect(puts.batches.dropFirst().first?.events.map(\.key) == ["k/changed", "k/new", "k/remade"])
        let gone = try await outcome(
            options { $0.ignoresPuts = true },
            signal: { client, value in
                try await client.put("k/live", value)
                return try await client.delete("k/live").header.revision
            }
        )
        #expect(gone.error == nil)
        #expect(gone.batches.map(\.isResync) == [false, true, false])
        #expect(gone.batches.map { $0.events.map(\.key) } == [["k/live"], ["k/deleted"], ["k/live"]])
        #expect(gone.batches.flatMap(\.events).allSatisfy { $0.kind == .delete })
        let deletions = try await withPrivateEtcd { client, _ in
            try await client.withWatch(.prefix("k/"), options: options { $0.ignoresPuts = true }) { events in
                try await client.put("k/1", "1")
                try await client.put("k/2", "1")
                try await client.delete("k/1")
                var iterator = events.makeAsyncIterator()
                return try await iterator.next()
            }
        }
        #expect(deletions?.kind == .delete)
        #expect(deletions?.key == "k/1")
    }

    @Test("the difference has only the 200 of 10,000 keys that differ")
    func manyKeys() async throws {
        let outcome = try await outcome(
            options(),
            before: { client in
                for start in stride(from: 0, to: 10_000, by: 100) {
                    try await client.transaction(
                        then: (start..<start + 100).map { .put("k/\(1_000_000 + $0)" as Key, "old") }
                    )
                }
            },
            during: { client in
                for start in stride(from: 0, to: 10_000, by: 100) {
                    try await client.transaction(then: [
                        .put("k/\(1_000_000 + start)" as Key, "new"), .delete("k/\(1_000_001 + start)" as Key),
                    ])
                }
            }
        )
        let batch = try #require(outcome.batches.first { $0.isResync })
        #expect(batch.events.count { $0.kind == .put } == 100)
        #expect(batch.events.count { $0.kind == .delete } == 100)
        #expect(batch.events.allSatisfy { $0.kind == .delete || $0.entry.value == "new" })
        #expect(outcome.entries.count == 9901)
    }

    @Test("the watch begins at a given revision, or throws if that revision is compacted")
    func seeds() async throws {
        try await withPrivateEtcd { client, _ in
            for number in 1...5 { try await client.put("k/\(number)" as Key, "x") }
            // From the first revision of all, from one in history, and from one to come.
            for (from, names) in [(1, ["1", "2", "3", "4", "5"]), (5, ["4", "5"])] as [(Revision, [String])] {
                var seen: [Key] = []
                for try await event in client.watch(.prefix("k/"), from: from, options: options()) {
                    seen.append(event.key)
                    if seen.count == names.count { break }
                }
                #expect(seen == names.map { "k/" + Key($0) })
            }
            try await client.withWatch(.prefix("k/"), from: 9, options: options()) { events in
                for number in 7...9 { try await client.put("k/\(number)" as Key, "x") }
                var iterator = events.makeAsyncIterator()
                #expect(try await iterator.next()?.revision == 9)
            }
            try await client.compact(at: 8)
            await expectError(.compacted) {
                try await client.withWatch(.prefix("k/"), from: 8, options: options()) { _ in }
            }
            await expectError(.compacted) {
                for try await _ in client.watch(.prefix("k/"), from: 3, options: options()) {}
            }
            try await client.withWatch(.prefix("k/"), from: 9, options: options()) { events in
                var iterator = events.makeAsyncIterator()
                let event = try await iterator.next()
                #expect(event?.key == "k/9")
            }
        }
    }

    @Test("a consumer that applies all events has the store's entries, however often history is compacted")
    func convergence() async throws {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.members[0].endpoint) { proxy in
                let log = EventLog()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                log.attach(to: &configuration)
                try await withEtcdClient(configuration) { client in
                    let replica = Lock<[Key: Value]>([:])
                    let watching = Task { [options = options()] in
                        for try await event in client.watch(.prefix("k/"), from: 1, options: options) {
                            replica.withLock { $0[event.key] = event.kind == .put ? event.entry.value : nil }
                            if event.key == "k/end" { return }
                        }
                    }
                    var random = SplitMix64(seed: 1)
                    for round in 0..<20 {
                        let isCut = round % 2 == 1
                        if isCut {
                            await proxy.refuseConnections()
                            await proxy.cut()
                        }
                        for _ in 0..<50 {
                            let key = "k/\(Int.random(in: 0..<30, using: &random))" as Key
                            if Bool.random(using: &random) {
                                try await writer.put(key, "\(round)")
                            } else {
                                try await writer.delete(key)
                            }
                        }
                        let newest = try await writer.put("other", "x").header.revision
                        if isCut {
                            try await writer.compact(at: newest)
                            try await proxy.acceptConnections()
                            try await eventually("resync \(round / 2 + 1)") { log.resyncs.count > round / 2 }
                        }
                    }
                    try await writer.put("k/end", "end")
                    try await watching.value
                    var entries: [Key: Value] = [:]
                    for try await entry in writer.entries(in: .prefix("k/")) { entries[entry.key] = entry.value }
                    #expect(replica.withLock { $0 } == entries)
                }
            }
        }
    }
}
