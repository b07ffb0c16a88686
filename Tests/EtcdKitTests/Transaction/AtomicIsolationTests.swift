// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Atomic transaction: isolation", .cluster, .timeLimit(.minutes(1)))
struct AtomicIsolationTests {
    typealias Isolation = AtomicOptions.Isolation

    /// How often a transaction runs when `interference` comes between its reading and its first commit.
    private func runs(
        _ isolation: Isolation,
        _ interference: (EtcdClient) async throws -> Void,
        _ body: (inout AtomicTransaction) async throws -> Void
    ) async throws -> Int {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            for key: Key in ["a", "b", "list/2", "list/4"] { try await view.put(key, "old") }
            var runs = 0
            try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                try await body(&transaction)
                runs += 1
                if runs == 1 { try await interference(view) }
            }
            return runs
        }
    }

    private func expectRuns(
        _ expected: [Isolation: Int],
        sourceLocation: SourceLocation = #_sourceLocation,
        _ interference: (EtcdClient) async throws -> Void,
        _ body: (inout AtomicTransaction) async throws -> Void
    ) async throws {
        for isolation in Isolation.allCases {
            let runs = try await runs(isolation, interference, body)
            #expect(runs == expected[isolation], "\(isolation)", sourceLocation: sourceLocation)
        }
    }

    private static let conflictsUnlessWeakest: [Isolation: Int] = [
        .serializableSnapshot: 2, .serializable: 2, .repeatableReads: 2, .readCommitted: 1,
    ]
    private static let conflictsWhereSerializable: [Isolation: Int] = [
        .serializableSnapshot: 2, .serializable: 2, .repeatableReads: 1, .readCommitted: 1,
    ]
    private static let conflictsNowhere: [Isolation: Int] = [
        .serializableSnapshot: 1, .serializable: 1, .repeatableReads: 1, .readCommitted: 1,
    ]

    @Test("a change, a deletion, a re-creation and a creation of a key that was read conflict")
    func keys() async throws {
        func reading(_ transaction: inout AtomicTransaction) async throws {
            _ = try await transaction.get("a")
            _ = try await transaction.get("missing")
            transaction.put("other", "1")
        }
        try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.put("a", "old") }, reading)
        try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.delete("a") }, reading)
        try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.put("missing", "") }, reading)
        let remake = { (client: EtcdClient) in
            try await client.delete("a")
            try await client.put("a", "old")
        }
        try await expectRuns(Self.conflictsUnlessWeakest, remake, reading)
        // A key that was missing and is missing again leaves no change that the transaction could have seen.
        let visit = { (client: EtcdClient) in
            try await client.put("missing", "")
            try await client.delete("missing")
        }
        try await expectRuns(Self.conflictsNowhere, visit, reading)
        try await expectRuns(Self.conflictsNowhere, { try await $0.put("b", "new") }, reading)
    }

    @Test("phantoms: a key that is added to a range that was read conflicts, and so does a changed or deleted one")
    func ranges() async throws {
        func reading(_ transaction: inout AtomicTransaction) async throws {
            _ = try await transaction.range(.prefix("list/"))
            transaction.put("other", "1")
        }
        for key: Key in ["list/", "list/1", "list/3", "list/5", "list/\u{7f}"] {
            try await expectRuns(Self.conflictsWhereSerializable, { try await $0.put(key, "1") }, reading)
        }
        for key: Key in ["list/2", "list/4"] {
            try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.put(key, "old") }, reading)
            try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.delete(key) }, reading)
        }
        let swap = { (client: EtcdClient) in
            try await client.transaction(then: [.delete("list/2"), .put("list/3", "old")])
            return
        }
        try await expectRuns(Self.conflictsUnlessWeakest, swap, reading)
        let neighbours = { (client: EtcdClient) in
            try await client.put("list", "1")
            try await client.put("list0", "1")
            try await client.delete("a")
        }
        try await expectRuns(Self.conflictsNowhere, neighbours, reading)
    }

    @Test("an empty range that was read, and a key known to be missing from a range, are protected too")
    func emptyRanges() async throws {
        try await expectRuns(Self.conflictsWhereSerializable, { try await $0.put("none/1", "1") }) { transaction in
            _ = try await transaction.range(.prefix("none/"))
            transaction.put("other", "1")
        }
        try await expectRuns(Self.conflictsUnlessWeakest, { try await $0.put("list/3", "1") }) { transaction in
            _ = try await transaction.range(.prefix("list/"))
            _ = try await transaction.get("list/3")
            transaction.put("other", "1")
        }
    }

    @Test("a key that is only written conflicts at the strongest level, if there was a read before")
    func blindWrites() async throws {
        let onlySnapshot: [Isolation: Int] = [
            .serializableSnapshot: 2, .serializable: 1, .repeatableReads: 1, .readCommitted: 1,
        ]
        try await expectRuns(onlySnapshot, { try await $0.put("b", "theirs") }) { transaction in
            _ = try await transaction.get("a")
            transaction.put("b", "mine")
        }
        try await expectRuns(Self.conflictsNowhere, { try await $0.put("b", "theirs") }) { transaction in
            transaction.put("b", "mine")
        }
    }

    @Test(
        "all reads are of one revision if the level requires it, and a repeated read returns the same",
        arguments: Isolation.allCases
    )
    func snapshots(isolation: Isolation) async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            try await view.transaction(then: [.put("a", "1"), .put("b", "1")])
            var seen: [[Value?]] = []
            _ = try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                var values = [try await transaction.get("a")?.value]
                if seen.isEmpty { try await view.transaction(then: [.put("a", "2"), .put("b", "2")]) }
                values.append(try await transaction.get("b")?.value)
                values.append(try await transaction.get("a")?.value)
                seen.append(values)
            }
            switch isolation {
            case .serializableSnapshot, .serializable: #expect(seen == [["1", "1", "1"]])
            // The first run reads at two revisions, and is not committed.
            case .repeatableReads: #expect(seen == [["1", "2", "1"], ["2", "2", "2"]])
            case .readCommitted: #expect(seen == [["1", "2", "1"]])
            }
        }
    }

    @Test("inconsistent reads end the attempt, even if the closure hides the error")
    func contradiction() async throws {
        try await withLiveClient { client, prefix in
            let view = client.with(namespace: prefix)
            try await view.put("list/1", "1")
            var runs = 0
            let count = try await view.atomically(AtomicOptions(isolation: .repeatableReads)) { transaction in
                runs += 1
                _ = try await transaction.get("list/1")
                if runs == 1 { try await view.put("list/1", "2") }
                let entries = try? await transaction.range(.prefix("list/"))
                transaction.put("count", "\(entries?.count ?? -1)")
                return entries?.count
            }
            #expect(runs == 2 && count == 1)
            #expect(try await view.get("count")?.value == "1")
        }
    }

    @Test("a snapshot that is compacted away during the attempt is replaced by a newer one")
    func compaction() async throws {
        try await withPrivateEtcd { client, _ in
            try await client.put("a", "1")
            var runs = 0
            try await client.atomically { transaction in
                _ = try await transaction.get("a")
                runs += 1
                if runs == 1 { try await client.compact(at: client.put("b", "1").header.revision) }
                transaction.put("c", try await transaction.get("b")?.value ?? "nothing")
            }
            #expect(runs == 2)
            #expect(try await client.get("c")?.value == "1")
        }
    }

    @Test("write skew is prevented at all levels but the weakest", arguments: Isolation.allCases)
    func writeSkew(isolation: Isolation) async throws {
        try await withLiveClient { client, prefix in
            // Two doctors are on call. Each may leave if the other stays.
            let view = client.with(namespace: prefix)
            for key: Key in ["alice", "bob"] { try await view.put(key, "on call") }
            let readers = Lock(0)
            func leave(_ key: Key) async throws {
                try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                    var onCall = 0
                    for key: Key in ["alice", "bob"] where try await transaction.get(key) != nil { onCall += 1 }
                    readers.withLock { $0 += 1 }
                    // Both have read before either commits.
                    try await eventually("both have read") { readers.withLock { $0 >= 2 } }
                    if onCall == 2 { transaction.delete(key) }
                }
            }
            async let first: Void = leave("alice")
            async let second: Void = leave("bob")
            _ = try await (first, second)
            #expect(try await view.range(.all).count == (isolation == .readCommitted ? 0 : 1))
        }
    }

    @Test("write skew by phantoms is prevented where the level is serializable", arguments: Isolation.allCases)
    func phantomSkew(isolation: Isolation) async throws {
        try await withLiveClient { client, prefix in
            // Only one may book a room, in which nobody is yet.
            let view = client.with(namespace: prefix)
            let readers = Lock(0)
            func book(_ key: Key) async throws {
                try await view.atomically(AtomicOptions(isolation: isolation)) { transaction in
                    let isFree = try await transaction.range(.prefix("bookings/")).isEmpty
                    readers.withLock { $0 += 1 }
                    try await eventually("both have read") { readers.withLock { $0 >= 2 } }
                    if isFree { transaction.put(key, "booked") }
                }
            }
            async let first: Void = book("bookings/alice")
            async let second: Void = book("bookings/bob")
            _ = try await (first, second)
            let isSerializable = [.serializableSnapshot, .serializable].contains(isolation)
            #expect(try await view.range(.all).count == (isSerializable ? 1 : 2))
        }
    }

    @Test("a transaction gives up after its maximum of attempts, and changes nothing", arguments: [1, 2, 5])
    func bound(attempts: Int) async throws {
        try await withLiveClient { client, prefix in
            var options = AtomicOptions()
            options.maximumAttempts = attempts
            var runs = 0
            await expectError(.transactionConflict) {
                try await client.atomically(options) { transaction in
                    runs += 1
                    _ = try await transaction.get(prefix + "k")
                    try await client.put(prefix + "k", "other")
                    transaction.put(prefix + "k", "mine")
                }
            }
            #expect(runs == attempts)
            let entry = try await client.get(prefix + "k")
            #expect(entry?.value == "other" && entry?.version == Int64(attempts))
        }
    }
}
