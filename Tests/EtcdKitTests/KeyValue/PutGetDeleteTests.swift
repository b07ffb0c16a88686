// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@Suite("EtcdClient: put, get and delete", .cluster, .timeLimit(.minutes(1)))
struct PutGetDeleteTests {
    @Test("a put entry is read back with its history")
    func history() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            #expect(try await client.get(key) == nil)
            let first = try await client.put(key, "1").header.revision
            let second = try await client.put(key, "2").header.revision
            let entry = try #require(try await client.get(key))
            #expect(entry.key == key)
            #expect(entry.value == "2")
            #expect(entry.createRevision == first)
            #expect(entry.modRevision == second)
            #expect(entry.version == 2)
            #expect(entry.lease == nil)

            try await client.delete(key)
            try await client.put(key, "3")
            #expect(try await client.get(key)?.version == 1)
        }
    }

    @Test("keys and values of any bytes, and an empty value, come back as they were")
    func anyBytes() async throws {
        try await withLiveClient { client, prefix in
            for bytes: [UInt8] in [[0], [0xff, 0xfe], Array(0...255)] {
                try await client.put(prefix + Key(bytes: bytes), Value(bytes: bytes.reversed()))
                let entry = try #require(try await client.get(prefix + Key(bytes: bytes)))
                #expect(entry.value.bytes == bytes.reversed())
                #expect(entry.key.bytes == prefix.bytes + bytes)
            }
            try await client.put(prefix + "empty", "")
            #expect(try await client.get(prefix + "empty")?.value == "")
        }
    }

    @Test("the header names the cluster, the member, the term and the revision")
    func header() async throws {
        try await withLiveClient { client, prefix in
            let put = try await client.put(prefix + "k", "1").header
            let read = try await client.range(.key(prefix + "k")).header
            #expect(put.clusterID != 0 && put.clusterID == read.clusterID)
            #expect(put.memberID.rawValue != 0 && put.memberID == read.memberID)
            #expect(put.raftTerm > 0)
            #expect(put.revision > 0 && put.revision <= read.revision)
        }
    }

    // MARK: Put and touch

    @Test("a put returns the entry from before only when asked, and nil for a new key")
    func previousOfPut() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            #expect(try await client.put(key, "1", returningPrevious: true).previous == nil)
            #expect(try await client.put(key, "2").previous == nil)
            let previous = try #require(try await client.put(key, "3", returningPrevious: true).previous)
            #expect(previous.value == "2" && previous.version == 2)
            let touched = try #require(try await client.touch(key, returningPrevious: true).previous)
            #expect(touched.value == "3" && touched.version == 3)
            #expect(try await client.touch(key).previous == nil)
        }
    }

    @Test("a put attaches its lease, keeps the one there is, or takes it off")
    func leaseOfPut() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await client.put(key, "1", lease: lease)
            #expect(try await client.get(key)?.lease == lease)
            try await client.put(key, "2", keepingLease: true)
            var entry = try #require(try await client.get(key))
            #expect(entry.lease == lease && entry.value == "2")
            try await client.put(key, "3")
            entry = try #require(try await client.get(key))
            #expect(entry.lease == nil && entry.value == "3")
        }
    }

    @Test("a touch keeps the value, makes a version, and sets, keeps or takes off the lease")
    func touch() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            try await client.put(key, "value")
            try await client.touch(key, lease: lease)
            var entry = try #require(try await client.get(key))
            #expect(entry.value == "value" && entry.version == 2 && entry.lease == lease)
            try await client.touch(key, keepingLease: true)
            entry = try #require(try await client.get(key))
            #expect(entry.value == "value" && entry.version == 3 && entry.lease == lease)
            try await client.touch(key)
            entry = try #require(try await client.get(key))
            #expect(entry.value == "value" && entry.version == 4 && entry.lease == nil)
        }
    }

    @Test("a put that cannot be done throws the code of its reason and changes nothing")
    func refusedPuts() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            await expectError(.keyNotFound) { try await client.touch(key) }
            await expectError(.keyNotFound) { try await client.put(key, "1", keepingLease: true) }
            await expectError(.emptyKey) { try await client.put("", "1") }
            await expectError(.leaseNotFound) { try await client.put(key, "1", lease: Lease.ID(rawValue: 404)) }
            await expectError(.invalidArgument) { try await client.put(key, "1", lease: lease, keepingLease: true) }
            await expectError(.invalidArgument) { try await client.touch(key, lease: lease, keepingLease: true) }
            #expect(try await client.range(.prefix(prefix)).entries.isEmpty)
        }
    }

    /// etcd refuses the first, the gRPC library below it the second, while it is still being sent.
    @Test(
        "a value over the server's limit is refused with the call, its size and the limit, and the client goes on",
        arguments: [2_000_000, 5_000_000]
    )
    func tooLarge(size: Int) async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let value = Value(bytes: [UInt8](repeating: 7, count: size))
            let error = await #expect(throws: EtcdError.self) { try await client.put(key, value) }
            #expect(error?.code == .requestTooLarge)
            let message = error?.message ?? ""
            #expect(message.hasPrefix("/etcdserverpb.KV/Put sends \(size / 1000)"), "\(message)")
            // etcd's own text has no numbers.
            #expect(message.contains(size == 2_000_000 ? "1572864 by default" : "the 2097152 that"), "\(message)")
            #expect(message.contains("--max-request-bytes"), "\(message)")
            #expect(message.contains("key \(key) with \(size) bytes"), "\(message)")
            #expect(try await client.get(key) == nil)
            let allowed = Value(bytes: [UInt8](repeating: 7, count: 1_400_000))
            try await client.put(key, allowed)
            #expect(try await client.get(key)?.value == allowed)
        }
    }

    // MARK: Get

    @Test("a get at a revision reads the past, and a future revision is refused")
    func getAtRevision() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let first = try await client.put(key, "1").header.revision
            let second = try await client.put(key, "2").header.revision
            let third = try await client.delete(key).header.revision
            #expect(try await client.get(key, at: first.previous) == nil)
            #expect(try await client.get(key, at: first)?.value == "1")
            #expect(try await client.get(key, at: second)?.value == "2")
            #expect(try await client.get(key, at: third) == nil)
            await expectError(.futureRevision) { try await client.get(key, at: Revision(rawValue: 1 << 40)) }
        }
    }

    @Test("an empty key is refused by get and delete")
    func emptyKey() async throws {
        try await withLiveClient { client, _ in
            await expectError(.emptyKey) { try await client.get("") }
            await expectError(.emptyKey) { try await client.delete("") }
        }
    }

    // MARK: Delete

    @Test("a deletion removes one key, and returns its entry only when asked")
    func deleteOne() async throws {
        try await withLiveClient { client, prefix in
            let (key, longer) = (prefix + "k", prefix + "k2")
            #expect(try await client.delete(key, returningPrevious: true).deleted == 0)
            try await client.put(key, "1")
            try await client.put(longer, "2")
            let response = try await client.delete(key)
            #expect(response.deleted == 1 && response.previous.isEmpty)
            #expect(try await client.get(key) == nil)
            let previous = try await client.delete(longer, returningPrevious: true).previous
            #expect(previous.map(\.key) == [longer] && previous.map(\.value) == ["2"])
        }
    }

    @Test("a deletion of a prefix removes the keys under it and no others")
    func deletePrefix() async throws {
        try await withLiveClient { client, prefix in
            for name: Key in ["a", "b/1", "b/2", "c"] { try await client.put(prefix + name, "x") }
            let response = try await client.delete(.prefix(prefix + "b/"), returningPrevious: true)
            #expect(response.deleted == 2)
            #expect(response.previous.map(\.key) == [prefix + "b/1", prefix + "b/2"])
            #expect(try await client.range(.prefix(prefix)).entries.map(\.key) == [prefix + "a", prefix + "c"])
            let rest = try await client.delete(.prefix(prefix))
            #expect(rest.deleted == 2 && rest.previous.isEmpty)
        }
    }

    // MARK: Serializable

    @Test("a serializable read is answered without a leader, any other read is not")
    func serializable() async throws {
        try await withPrivateEtcd(members: 3) { _, cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                try await client.put("k", "1")
                // The member must have the key before the others are gone.
                try await eventually("the member knows the key") {
                    try await client.get("k", serializable: true)?.value == "1"
                }
                let hasty = client.with(timeout: .seconds(2))
                // The control: with the leader, the read succeeds.
                #expect(try await hasty.get("k")?.value == "1")
                await cluster.members[1].kill()
                await cluster.members[2].kill()
                var options = RangeOptions()
                options.serializable = true
                #expect(try await client.get("k", serializable: true)?.value == "1")
                #expect(try await client.range(.key("k"), options: options).entries.map(\.value) == ["1"])
                let transaction = try await client.transaction(then: [.range(.key("k"), options: options)])
                #expect(transaction.results.first?.entries.map(\.value) == ["1"])

                let reads: [() async throws -> Void] = [
                    { _ = try await hasty.get("k") },
                    { _ = try await hasty.range(.key("k")) },
                    { _ = try await hasty.transaction(then: [.get("k")]) },
                ]
                for read in reads {
                    let error = await #expect(throws: EtcdError.self) { try await read() }
                    // In the end the member knows that it has no leader; before that, the read times out.
                    #expect([.noLeader, .deadlineExceeded].contains(error?.code), "\(String(describing: error))")
                }
                // A serializable read still works.
                #expect(try await hasty.get("k", serializable: true)?.value == "1")
            }
        }
    }
}
