// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Transaction", .cluster, .timeLimit(.minutes(1)))
struct TransactionTests {
    @Test("the branch that its conditions choose runs, and no other")
    func branches() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            for value: Value in ["then", "else"] {
                let response = try await client.transaction(
                    if: [.isMissing(key)],
                    then: [.put(key, "then")],
                    else: [.put(key, "else"), .get(key)]
                )
                #expect(response.succeeded == (value == "then"))
                #expect(response.results.count == (value == "then" ? 1 : 2))
                #expect(try await client.get(key)?.value == value)
            }
        }
    }

    @Test("each operation has its typed result, in order, and all are of one revision")
    func results() async throws {
        try await withLiveClient { client, prefix in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            for name: Key in ["a", "b", "c1", "c2", "d"] { try await client.put(prefix + name, "old", lease: lease) }
            var limited = RangeOptions()
            limited.limit = 1
            let response = try await client.transaction(then: [
                .get(prefix + "a"),
                .put(prefix + "a", "new", returningPrevious: true),
                .get(prefix + "a"),
                .put(prefix + "new", "new", lease: lease, returningPrevious: true),
                .touch(prefix + "b", keepingLease: true, returningPrevious: true),
                .put(prefix + "d", "kept", keepingLease: true),
                .delete(.prefix(prefix + "c"), returningPrevious: true),
                .delete(prefix + "none"),
                .range(.prefix(prefix), options: limited),
            ])
            let results = response.results
            try #require(results.count == 9)
            #expect(results[0].entries.map(\.value) == ["old"])
            #expect(results[0].previous.isEmpty)
            #expect(results[1].previous.map(\.value) == ["old"])
            #expect(results[1].entries.isEmpty)
            #expect(results[2].entries.map(\.value) == ["new"])
            #expect(results[3].previous.isEmpty)
            #expect(results[4].previous.map(\.key) == [prefix + "b"])
            #expect(try #require(results[5].put).previous == nil)
            #expect(results[6].delete?.deleted == 2)
            #expect(results[6].previous.map(\.key) == [prefix + "c1", prefix + "c2"])
            #expect(results[7].delete?.deleted == 0 && results[7].previous.isEmpty)
            let range = try #require(results[8].range)
            #expect(range.entries.map(\.key) == [prefix + "a"])
            #expect(range.more && range.count == 4)

            let after = try await client.range(.prefix(prefix)).entries
            #expect(after.map(\.key) == ["a", "b", "d", "new"].map { prefix + $0 })
            #expect(after.map(\.value) == ["new", "old", "kept", "new"])
            #expect(after.map(\.lease) == [nil, lease, lease, lease])
            #expect(after.allSatisfy { $0.modRevision == response.header.revision })
        }
    }

    @Test("a touch in a transaction sets the lease, or takes it off")
    func touch() async throws {
        try await withLiveClient { client, prefix in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            let key = prefix + "k"
            try await client.put(key, "1")
            try await client.transaction(then: [.touch(key, lease: lease)])
            var entry = try #require(try await client.get(key))
            #expect(entry.value == "1" && entry.lease == lease && entry.version == 2)
            let response = try await client.transaction(then: [.touch(key)])
            #expect(response.results.first?.previous.isEmpty == true)
            entry = try #require(try await client.get(key))
            #expect(entry.value == "1" && entry.lease == nil && entry.version == 3)
        }
    }

    @Test("transactions within transactions take their own branches", arguments: [true, false], [true, false])
    func nested(outer: Bool, inner: Bool) async throws {
        try await withLiveClient { client, prefix in
            let (first, second) = (prefix + "1", prefix + "2")
            if outer { try await client.put(first, "there") }
            if inner { try await client.put(second, "there") }
            func leaf(_ name: String) -> TransactionOperation {
                .transaction(
                    if: [.exists(second)],
                    then: [.put(prefix + "result", "\(name) then"), .get(prefix + "result")],
                    else: [.put(prefix + "result", "\(name) else")]
                )
            }
            let response = try await client.transaction(then: [
                .get(first),
                .transaction(if: [.exists(first)], then: [leaf("then")], else: [leaf("else"), .get(second)]),
            ])
            let expected: Value = "\(outer ? "then" : "else") \(inner ? "then" : "else")"
            #expect(try await client.get(prefix + "result")?.value == expected)

            try #require(response.succeeded && response.results.count == 2)
            #expect(response.results[0].entries.count == (outer ? 1 : 0))
            let middle = try #require(response.results[1].transaction)
            #expect(middle.succeeded == outer)
            try #require(middle.results.count == (outer ? 1 : 2))
            let last = try #require(middle.results[0].transaction)
            #expect(last.succeeded == inner)
            try #require(last.results.count == (inner ? 2 : 1))
            if inner { #expect(last.results[1].entries.map(\.value) == [expected]) }
        }
    }

    @Test("a transaction without operations changes nothing, and returns whether its conditions hold")
    func empty() async throws {
        try await withPrivateEtcd { client, _ in
            let before = try await client.put("k", "1").header.revision
            let response = try await client.transaction(then: [])
            #expect(response.succeeded && response.results.isEmpty && response.header.revision == before)
            #expect(try await !client.transaction(if: [.isMissing("k")], then: []).succeeded)
            let skipped = try await client.transaction(if: [.isMissing("k")], then: [.put("k", "2")])
            #expect(!skipped.succeeded && skipped.results.isEmpty && skipped.header.revision == before)
            #expect(try await client.transaction(then: [.put("k", "2")]).header.revision == before.next)
        }
    }

    // MARK: Errors

    @Test("a transaction that cannot be done throws the code of its reason and changes nothing")
    func refused() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let big = Value(bytes: [UInt8](repeating: 7, count: 2_000_000))
            var future = RangeOptions()
            future.revision = Revision(rawValue: 1 << 40)
            let put = TransactionOperation.put(key, "1")
            let cases: [(EtcdError.Code, [TransactionOperation])] = [
                (.duplicateKey, [put, put]),
                (.duplicateKey, [put, .delete(.prefix(prefix))]),
                (.duplicateKey, [put, .transaction(if: [], then: [], else: [put])]),
                (.tooManyOperations, (0..<129).map { .put(prefix + "\($0)", "1") }),
                (.tooManyOperations, (0..<129).map { .get(prefix + "\($0)") }),
                (.emptyKey, [put, .put("", "1")]),
                (.emptyKey, [put, .get("")]),
                (.emptyKey, [put, .delete("")]),
                (.keyNotFound, [put, .touch(prefix + "missing")]),
                (.keyNotFound, [put, .put(prefix + "missing", "1", keepingLease: true)]),
                (.leaseNotFound, [put, .put(prefix + "leased", "1", lease: Lease.ID(rawValue: 404))]),
                (.invalidArgument, [put, .touch(prefix + "leased", lease: Lease.ID(rawValue: 1), keepingLease: true)]),
                (.futureRevision, [put, .range(.key(key), options: future)]),
                (.requestTooLarge, [.put(key, big)]),
            ]
            for (code, operations) in cases {
                await expectError(code) { try await client.transaction(then: operations) }
            }
            let entries = try await client.range(.prefix(prefix)).entries
            #expect(entries.isEmpty)
        }
    }

    @Test("128 operations, and one key put in both branches, are allowed")
    func allowed() async throws {
        try await withLiveClient { client, prefix in
            let puts = (0..<128).map { TransactionOperation.put(prefix + "\($0)", "1") }
            let response = try await client.transaction(if: [.isMissing(prefix + "0")], then: puts, else: puts)
            #expect(response.succeeded && response.results.count == 128)
            #expect(try await client.range(.prefix(prefix)).count == 128)
        }
    }

    // MARK: Reading

    @Test("a transaction only reads if no operation of either branch, at any depth, writes")
    func isReadOnly() {
        func isReadOnly(_ then: [TransactionOperation], else: [TransactionOperation] = []) -> Bool {
            Wire.TxnRequest([.exists("k")], then, `else`).isReadOnly
        }
        func nested(_ operation: TransactionOperation) -> TransactionOperation {
            .transaction(if: [], then: [], else: [.transaction(if: [], then: [.get("k"), operation])])
        }
        #expect(isReadOnly([]))
        #expect(isReadOnly([.get("k"), .range(.all)], else: [.get("k"), nested(.get("k"))]))
        for write: TransactionOperation in [.put("k", "1"), .touch("k"), .delete("k"), .delete(.all)] {
            #expect(!isReadOnly([write]))
            #expect(!isReadOnly([.get("k"), write]))
            #expect(!isReadOnly([.get("k")], else: [write]))
            #expect(!isReadOnly([nested(write)]))
        }
    }

    @Test("a transaction that only reads is repeated on a new connection, others are ambiguous (etcd#8735)")
    func brokenConnection() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            await cluster.members[0].freeze()
            let read = Task {
                try await client.transaction(if: [.exists("k")], then: [.get("k")], else: [.get("other")])
            }
            let write = Task {
                try await client.transaction(if: [.exists("k")], then: [.get("k")], else: [.put("other", "1")])
            }
            try await eventually("both are on their way") { await client.openStreamCount == 2 }
            await cluster.members[0].kill()
            await expectError(.ambiguous) { try await write.value }
            try await cluster.members[0].restart()
            #expect(try await read.value.results.first?.entries.map(\.value) == ["1"])
        }
    }
}

extension TransactionResult {
    fileprivate var range: RangeResponse? { if case .range(let response) = self { response } else { nil } }
    fileprivate var put: PutResponse? { if case .put(let response) = self { response } else { nil } }
    fileprivate var delete: DeleteResponse? { if case .delete(let response) = self { response } else { nil } }
    fileprivate var transaction: TransactionResponse? {
        if case .transaction(let response) = self { response } else { nil }
    }
}
