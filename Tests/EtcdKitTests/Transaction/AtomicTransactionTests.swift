// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Atomic transaction", .cluster, .timeLimit(.minutes(1)))
struct AtomicTransactionTests {
    typealias Isolation = AtomicOptions.Isolation

    @Test(
        "all writes are made at one revision, and the closure's result is returned",
        arguments: Isolation.allCases
    )
    func commit(isolation: Isolation) async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await view.put("a", "1")
            let before = try await view.put("b", "1").header.revision
            let result = try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                let value = try await transaction.get("a")?.value
                transaction.put("a", "2")
                transaction.put("c", "new", lease: lease)
                transaction.delete("b")
                transaction.delete("missing")
                return value
            }
            #expect(result == "1")
            let entries = try await view.range(.all).entries
            #expect(entries.map(\.key) == ["a", "c"] && entries.map(\.value) == ["2", "new"])
            #expect(entries.map(\.lease) == [nil, lease])
            let commit = try #require(entries.first?.modRevision)
            #expect(entries.allSatisfy { $0.modRevision == commit } && commit > before)
            // The deletion was made at that revision, too.
            func content(at revision: Revision) async throws -> [Key: Value] {
                var options = RangeOptions()
                options.revision = revision
                let entries = try await view.range(.all, options: options).entries
                return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
            }
            #expect(try await content(at: commit.previous) == ["a": "1", "b": "1"])
            #expect(try await content(at: commit) == ["a": "2", "c": "new"])
        }
    }

    @Test(
        "it sees its own writes, by key and in ranges; a missing key is not an empty value",
        arguments: Isolation.allCases
    )
    func ownWrites(isolation: Isolation) async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            for key: Key in ["a", "b", "d"] { try await view.put(key, "old") }
            try await view.put("empty", "")
            try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                #expect(try await transaction.get("empty")?.value == "")
                #expect(try await transaction.get("missing") == nil)
                transaction.put("missing", "")
                #expect(try await transaction.get("missing")?.value == "")
                #expect(try await transaction.get("missing")?.modRevision == 0)
                transaction.delete("missing")
                #expect(try await transaction.get("missing") == nil)

                #expect(try await transaction.get("b")?.value == "old")
                transaction.put("c", "new")
                transaction.put("a", "new")
                transaction.delete("b")
                let entries = try await transaction.range(.between("a", "e"))
                #expect(entries.map(\.key) == ["a", "c", "d"] && entries.map(\.value) == ["new", "new", "old"])
                #expect(try await transaction.range(.prefix("b")).isEmpty)
            }
            #expect(try await view.range(.all).entries.map(\.key) == ["a", "c", "d", "empty"])
        }
    }

    @Test("nothing is written when the closure throws, and its error is thrown")
    func throwing() async throws {
        struct Refusal: Error {}
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            var runs = 0
            await #expect(throws: Refusal.self) {
                try await client.atomically { transaction in
                    runs += 1
                    transaction.put(key, "1")
                    throw Refusal()
                }
            }
            #expect(runs == 1)
            let entry = try await client.get(key)
            #expect(entry == nil)
        }
    }

    @Test("a closure without reads, without writes and without anything is committed at its first run")
    func empty() async throws {
        try await withLiveClient { client, prefix in
            for isolation in Isolation.allCases {
                let options = AtomicOptions(isolation: isolation)
                #expect(try await client.atomically(options) { _ in 7 } == 7)
                try await client.atomically(options) { $0.put(prefix + "k", "\(isolation)") }
                #expect(
                    try await client.atomically(options) { try await $0.get(prefix + "k")?.value } == "\(isolation)"
                )
                try await client.atomically(options) { $0.delete(prefix + "k") }
                #expect(try await client.get(prefix + "k") == nil)
            }
        }
    }

    // MARK: Requests

    @Test("keys are read once, prefetched ones all in one request, and reading alone needs no commit")
    func requests() async throws {
        try await withPrivateEtcd { _, cluster in
            let log = EventLog()
            try await withEtcdClient(log.configuration(cluster.endpoints)) { client in
                for key: Key in ["a", "b", "c"] { try await client.put(key, "1") }
                func requests(_ options: AtomicOptions, writing: Bool) async throws -> Int {
                    let before = log.callCount
                    try await client.atomically(options) { transaction in
                        for key: Key in ["a", "b", "c", "a", "missing", "missing"] {
                            _ = try await transaction.get(key)
                        }
                        if writing { transaction.put("a", "2") }
                    }
                    return log.callCount - before
                }
                #expect(try await requests(AtomicOptions(), writing: false) == 4)
                #expect(try await requests(AtomicOptions(), writing: true) == 5)
                var options = AtomicOptions()
                options.prefetchedKeys = ["a", "b", "c", "missing"]
                #expect(try await requests(options, writing: false) == 1)
                #expect(try await requests(options, writing: true) == 2)
            }
        }
    }

    @Test("the answer about a conflict has the new values, so the second run needs no request for them")
    func rereading() async throws {
        try await withPrivateEtcd { other, cluster in
            let log = EventLog()
            try await withEtcdClient(log.configuration(cluster.endpoints)) { client in
                try await other.put("a", "0")
                try await other.put("list/1", "0")
                var seen: [String] = []
                try await client.atomically { transaction in
                    let value = try await transaction.get("a")?.value.string ?? ""
                    let list = try await transaction.range(.prefix("list/")).map(\.key.description)
                    seen.append("\(value) \(list)")
                    if seen.count == 1 {
                        try await other.put("a", "1")
                        try await other.put("list/2", "0")
                    }
                    transaction.put("a", "mine")
                }
                #expect(seen == [#"0 ["list/1"]"#, #"1 ["list/1", "list/2"]"#])
                // Two reads, and two commits.
                #expect(log.callCount == 4)
            }
        }
    }

    // MARK: Limits

    @Test("a transaction over the server's limits is refused before it is sent, and one at the limits is committed")
    func limits() async throws {
        try await withPrivateEtcd { client, cluster in
            let log = EventLog()
            try await withEtcdClient(log.configuration(cluster.endpoints)) { watched in
                func writing(_ count: Int, _ size: Int, _ options: AtomicOptions = AtomicOptions()) async throws {
                    let value = Value(bytes: [UInt8](repeating: 7, count: size))
                    try await watched.atomically(options) { transaction in
                        for number in 0..<count { transaction.put("k/\(number)" as Key, value) }
                    }
                }
                let before = log.callCount
                await expectError(.tooManyOperations) { try await writing(129, 1) }
                await expectError(.requestTooLarge) { try await writing(3, 600_000) }
                await expectError(.requestTooLarge) { try await writing(1, 1_572_864) }
                var strict = AtomicOptions()
                strict.maximumOperations = 10
                strict.maximumRequestSize = 10_000
                await expectError(.tooManyOperations) { try await writing(11, 1, strict) }
                await expectError(.requestTooLarge) { try await writing(1, 10_000, strict) }
                #expect(log.callCount == before)
                try await writing(10, 100, strict)
                try await writing(128, 1)
                try await writing(1, 1_572_864 - 512 - 50)

                // Each entry that is read is a condition, unless nothing is written.
                #expect(try await watched.atomically { try await $0.range(.prefix("k/")).count } == 128)
                await expectError(.tooManyOperations) {
                    try await watched.atomically { transaction in
                        transaction.put("count", "\(try await transaction.range(.prefix("k/")).count)")
                    }
                }
                // Besides the entries, the range itself and the key to be written are conditions.
                try await client.delete(.between("k/0", "k/10"))
                try await watched.atomically { transaction in
                    transaction.put("count", "\(try await transaction.range(.prefix("k/")).count)")
                }
                #expect(try await client.get("count")?.value == "126")
                // The control: without the check, the server refuses.
                var lax = AtomicOptions()
                lax.maximumOperations = 1000
                lax.maximumRequestSize = .max
                await expectError(.tooManyOperations) { try await writing(129, 1, lax) }
                await expectError(.requestTooLarge) { try await writing(1, 1_572_864, lax) }
            }
        }
    }

    @Test("invalid options are refused")
    func options() async throws {
        try await withLiveClient { client, _ in
            var options = AtomicOptions()
            options.maximumAttempts = 0
            await expectError(.invalidArgument) { [options] in try await client.atomically(options) { _ in } }
            options = AtomicOptions()
            options.maximumOperations = 0
            await expectError(.invalidArgument) { [options] in try await client.atomically(options) { _ in } }
        }
    }

    // MARK: Endings

    @Test("a commit with an unknown outcome is an error and not repeated; one that only reads is repeated")
    func ambiguity() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            let runs = Lock(0)
            func commit(writing: Bool) -> Task<Void, any Error> {
                Task {
                    try await client.atomically(AtomicOptions(isolation: .repeatableReads)) { transaction in
                        _ = try await transaction.get("k")
                        if writing { transaction.put("k", "2") }
                        if runs.withLock({
                            $0 += 1; return $0 == 2
                        }) {
                            await cluster.members[0].freeze()
                        }
                        try await eventually("both have read") { runs.withLock { $0 >= 2 } }
                    }
                }
            }
            let (read, write) = (commit(writing: false), commit(writing: true))
            try await eventually("both commits are on their way") {
                let openStreamCount = await client.openStreamCount
                return runs.withLock { $0 } == 2 && openStreamCount == 2
            }
            await cluster.members[0].kill()
            await expectError(.ambiguous) { try await write.value }
            try await cluster.members[0].restart()
            try await read.value
            #expect(runs.withLock { $0 } == 2)
        }
    }

    @Test("it is cancelled between attempts")
    func cancellation() async throws {
        try await withLiveClient { client, prefix in
            let runs = Lock(0)
            var options = AtomicOptions()
            options.maximumAttempts = .max
            options.backoff = Backoff(initial: .seconds(60), maximum: .seconds(60))
            let task = Task { [options] in
                try await client.atomically(options) { transaction in
                    _ = try await transaction.get(prefix + "k")
                    runs.withLock { $0 += 1 }
                    try await client.put(prefix + "k", "other")
                    transaction.put(prefix + "k", "mine")
                }
            }
            // The second run has conflicted too, after which there is a pause.
            try await eventually("two runs") { runs.withLock { $0 } == 2 }
            task.cancel()
            await expectError(.cancelled) { try await task.value }
            #expect(runs.withLock { $0 } == 2)
            #expect(try await client.get(prefix + "k")?.value == "other")
        }
    }
}

extension EventLog {
    fileprivate var callCount: Int { count { if case .callStarted = $0 { true } else { false } } }
}
