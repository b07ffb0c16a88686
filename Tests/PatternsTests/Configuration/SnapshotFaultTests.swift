// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("SnapshotManager: junk, wrong clocks and outages", .live, .timeLimit(.minutes(5)))
struct SnapshotFaultTests {
    @Test("records that cannot be read are reported beside the others, which stay usable")
    func junk() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            let records = name + ".snapshots/records/"
            try await client.put(name + "/a", "1")
            let good = try await snapshots.create("good")
            let record = try #require(try await client.get(records + "good"))
            let junk: [Key: Value] = [
                records + "7": "junk", records + "copy": record.value, records + Key(bytes: [0xff]): "{}",
                records + "deep": Value(String(repeating: "[", count: 100_000)),
            ]
            for (key, value) in junk { try await client.put(key, value) }
            var list = try await snapshots.list()
            #expect(list.records == [good])
            #expect(list.problems.map(\.key) == junk.keys.sorted() && list.problems.allSatisfy { $0.code == .damaged })
            #expect(list.problems.first?.message.contains("\"junk\"") == true)

            try await client.put(name + "/a", "2")
            #expect(try await snapshots.create().name == "8")
            var error = await #expect(throws: ConfigError.self) { try await snapshots.create("7") }
            #expect(error?.code == .snapshotExists)
            error = await #expect(throws: ConfigError.self) { try await snapshots.restore("7") }
            #expect(error?.code == .damaged)
            #expect(try await snapshots.restore("good").name == "8")
            #expect(try await client.get(name + "/a")?.value == "1")
            try await snapshots.prune(keeping: 1)
            list = try await snapshots.list()
            #expect(list.records.map(\.name) == ["8"] && list.problems.count == junk.count)
            for name in ["7", "copy", "deep"] { try await snapshots.delete(name) }
            #expect(try await snapshots.list().problems.map(\.key) == [records + Key(bytes: [0xff])])
            error = await #expect(throws: ConfigError.self) { try await snapshots.delete("7") }
            #expect(error?.code == .noSnapshot)
        }
    }

    @Test("a name with an extreme number does not end the numbering")
    func numbers() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            for name in ["9223372036854775807", "-3", "9007199254740993"] { try await snapshots.create(name) }
            #expect(try await snapshots.create().name == "1")
            #expect(try await snapshots.create().name == "2")
        }
    }

    @Test("pieces that two records share stay until the last record is deleted")
    func sharedPieces() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await client.put(name + "/a", "1")
            let good = try await snapshots.create("good")
            let fields = SnapshotRecord.Fields(
                name: "twin",
                author: "",
                reason: "",
                time: 0,
                revision: 1,
                count: 1,
                state: good.fields.state
            )
            try await client.put(name + ".snapshots/records/twin", StoredJSON.encode(fields))
            try await snapshots.delete("twin")
            #expect(try await snapshots.values(of: "good") == ["a": "1"])
            try await snapshots.delete("good")
            #expect(try await client.range(.prefix(name + ".snapshots/")).entries.isEmpty)
        }
    }

    @Test("a snapshot that was created anew during the deletion of the former one of its name stays, with its pieces")
    func createdAnew() async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await client.put(name + "/a", "1")
            for prunes in [false, true] {
                var requests = 0
                for request in 1... {
                    try? await snapshots.delete("x")
                    try await snapshots.create("x")
                    let cleanup = try InterruptedClient(endpoint, after: request) {
                        try? await snapshots.delete("x")
                        try await snapshots.create("x")
                    }
                    let victim = try SnapshotManager("\(name)", client: cleanup.client)
                    if prunes { try await victim.prune(keeping: 0) } else { try await victim.delete("x") }
                    await cleanup.client.close()
                    guard cleanup.hasRun else { break }
                    requests = request
                    #expect(try await snapshots.values(of: "x") == ["a": "1"], "after request \(request)")
                }
                // The control: the last one made the deletion, and nothing came between.
                #expect(requests > 1)
                #expect(try await snapshots.list().revisions.isEmpty)
            }
        }
    }

    @Test("a replaced state is saved anew if the snapshot of it is damaged")
    func damagedTwin() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await client.put(name + "/a", "1")
            try await snapshots.create("first")
            try await client.delete(.prefix(name + ".snapshots/states/"))
            let before = try await snapshots.replace(with: ["a": 2])
            #expect(before.name == "1")
            try await snapshots.restore(before.name)
            #expect(try await client.get(name + "/a")?.value == "1")
        }
    }

    // MARK: Sweeping

    @Test("a snapshot that is completed during a sweep keeps its pieces, however wrong its clock is")
    func sweeping() async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let state = ConfigState(["a": "1"])
            var outcomes = (completed: 0, swept: 0)
            for request in 1... {
                let folder = name + "-\(request)"
                let snapshots = try SnapshotManager("\(folder)", client: client)
                // Like a process whose clock is wrong by years.
                let (stored, areThere) = try await StoredState.write(
                    state.encoded,
                    as: "1000000000-late",
                    in: snapshots.states,
                    client
                )
                let fields = SnapshotRecord.Fields(
                    name: "late",
                    author: "",
                    reason: "",
                    time: 1_000_000_000,
                    revision: 1,
                    count: 1,
                    state: stored
                )
                let key = snapshots.records + "late"
                let cleanup = try InterruptedClient(endpoint, after: request) {
                    try await client.transaction(if: areThere, then: [.put(key, StoredJSON.encode(fields))])
                }
                try await SnapshotManager("\(folder)", client: cleanup.client).create()
                await cleanup.client.close()
                guard cleanup.hasRun else { break }
                if try await snapshots.list().revisions[key] != nil {
                    outcomes.completed += 1
                    let values = try await snapshots.values(of: "late")
                    #expect(values == ["a": "1"], "completed after request \(request)")
                } else {
                    outcomes.swept += 1
                }
            }
            // The control: the record came before the pieces were deleted, and after.
            #expect(outcomes.completed > 1 && outcomes.swept > 0, "\(outcomes)")
        }
    }

    @Test("nothing is swept while there is an unreadable record, whose pieces are unknown")
    func unknownPieces() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            let piece = name + ".snapshots/states/1000000000-a/0"
            try await client.put(piece, "x")
            try await client.put(name + ".snapshots/records/1", #"{"format": "of the future"}"#)
            try await snapshots.create()
            #expect(try await client.get(piece) != nil)
            try await snapshots.delete("1")
            try await snapshots.create()
            #expect(try await client.get(piece) == nil, "the control")
        }
    }

    // MARK: Outages

    @Test(
        "wherever the creation of a snapshot breaks off, it is complete or missing, and the next one succeeds"
    )
    func brokenCreation() async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            // Of three pieces.
            let values: [Key: Value] = ["a": Value(bytes: Array(repeating: 7, count: 1 << 20)), "b": "1"]
            for (key, value) in values { try await client.put(name + "/" + key, value) }
            let snapshots = try SnapshotManager("\(name)", client: client)
            var failures = 0
            for requests in 1... {
                let victim = try mortalClient(endpoint, requests: requests)
                var isDone = false
                do {
                    try await SnapshotManager("\(name)", client: victim).create("\(requests)")
                    isDone = true
                } catch is EtcdError {
                    failures += 1
                }
                await victim.close()
                let list = try await snapshots.list()
                #expect(list.problems.isEmpty)
                for record in list.records { #expect(try await snapshots.values(of: record.name) == values) }
                if isDone {
                    #expect(list.records.last?.name == "\(requests)")
                    break
                }
            }
            #expect(failures > 4)
            #expect(try await snapshots.create().count == 2)
        }
    }

    @Test("a creation whose answer is lost has created the snapshot once, or throws an error")
    func lostAnswers() async throws {
        try await withLiveClient { client, name in
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                var outcomes: [Bool: Int] = [:]
                for trial in 1...40 {
                    // Of a configuration of its own, so that answers do not grow with the number of snapshots.
                    let snapshots = try SnapshotManager("\(name)-\(trial)", client: client)
                    let cut = try EtcdClient(endpoints: proxy.endpoint)
                    try await client.put("\(name)-\(trial)/a", "1")
                    _ = try await cut.get("warm")
                    await proxy.cut(afterBytes: 20 * trial, .toClient)
                    var isDone = true
                    do {
                        try await SnapshotManager("\(name)-\(trial)", client: cut).create()
                    } catch is EtcdError {
                        isDone = false
                    }
                    await proxy.cut(afterBytes: nil, .toClient)
                    await cut.close()
                    outcomes[isDone, default: 0] += 1
                    let records = try await snapshots.list().records
                    #expect(records.count == (isDone ? 1 : 0), "\(trial)")
                    for record in records { #expect(try await snapshots.values(of: record.name) == ["a": "1"]) }
                }
                // The control: some answers were those of writes, which cannot be asked for again.
                #expect(outcomes[true] != nil && outcomes[false] != nil, "\(outcomes)")
            }
        }
    }
}
