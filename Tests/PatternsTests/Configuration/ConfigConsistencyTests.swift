// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns
@testable import EtcdTesting

@Suite("ConfigManager: views are of one revision", .cluster, .timeLimit(.minutes(5)))
struct ConfigConsistencyTests {
    /// All values of a state are the same; there are so many that a restoration is staged.
    private static let keys = (0..<200).map { "k/\($0)" as Key }

    @Test("none of 100,000 reads during updates, cuts and restorations is torn, but some reads key by key are")
    func noTornReads() async throws {
        try await withEtcdCluster { cluster in
            let writer = try EtcdClient(endpoints: cluster.endpoints[0])
            let snapshots = try SnapshotManager("app", client: writer)
            func fill(_ number: Int) async throws {
                try await snapshots.replace(with: Dictionary(uniqueKeysWithValues: Self.keys.map { ($0, number) }))
            }
            try await fill(0)
            try await snapshots.create("zero")
            let isDone = Lock(false)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let config = try await ConfigManager("app", client: client)
                let reader = Task.detached {
                    var (reads, torn, states) = (0, 0, Set<Value>())
                    while reads < 100_000 || !isDone.withLock({ $0 }) {
                        let view = config.view
                        // Spread over the chunks and the batches in which they are copied.
                        let values = Set([0, 77, 150, 199].map { view[Self.keys[$0]] })
                        if values.count != 1 || values.contains(nil) { torn += 1 }
                        states.formUnion(values.compactMap(\.self))
                        reads += 1
                        if reads % 100 == 0 { await Task.yield() }
                    }
                    return (reads, torn, states)
                }
                let control = Task.detached {
                    var torn = 0
                    while !isDone.withLock({ $0 }) {
                        let first = try await writer.get("app/" + Self.keys[0])?.value
                        let last = try await writer.get("app/" + Self.keys[199])?.value
                        if first != last { torn += 1 }
                    }
                    return torn
                }
                // Whole snapshots, too, not only some keys.
                let whole = Task.detached {
                    var torn = 0
                    for await view in config.views {
                        let values = view.values()
                        if values.count != Self.keys.count || Set(values.values).count != 1 { torn += 1 }
                    }
                    return torn
                }
                for round in 1...12 {
                    if round % 4 == 0 { try await snapshots.restore("zero") } else { try await fill(round) }
                    if round % 3 == 0 { await proxy.cut() }
                    try await eventually("round \(round) has come") {
                        config["k/0"] == (round % 4 == 0 ? "0" : Value("\(round)"))
                    }
                }
                isDone.withLock { $0 = true }
                let (reads, torn, states) = await reader.value
                #expect(torn == 0 && reads >= 100_000)
                #expect(states.count > 3, "the reads have seen the changes: \(states)")
                #expect(try await control.value > 0)
                await config.close()
                #expect(await whole.value == 0)
                await client.close()
            }
            await writer.close()
        }
    }

    @Test("the configuration goes back when the store is restored from a backup")
    func restoredStore() async throws {
        try await withEtcdCluster { cluster in
            let (member, files) = (cluster.members[0], FileManager.default)
            let data = URL(fileURLWithPath: cluster.folder).appending(path: member.name)
            let copy = URL(fileURLWithPath: cluster.folder).appending(path: "backup")
            try await withEtcdClient(endpoints: member.endpoint) { client in
                try await client.put("app/a", "1")
                await member.stop()
                try files.copyItem(at: data, to: copy)
                try await member.restart()
                for number in 2...9 { try await client.put("app/a", "\(number)") }
                try await client.withConfiguration("app") { config in
                    #expect(config["a"] == "9")
                    let before = config.view.revision
                    await member.stop()
                    try files.removeItem(at: data)
                    try files.moveItem(at: copy, to: data)
                    try await member.restart()
                    try await eventually("the old value is back") { config["a"] == "1" }
                    #expect(config.view.revision < before, "the control: revisions count anew")
                    try await config.set("a", 10)
                    #expect(try config.int("a") == 10)
                }
            }
        }
    }

    @Test("changes that are made and compacted while the connection is cut arrive when it is back")
    func compaction() async throws {
        try await withEtcdCluster { cluster in
            let writer = try EtcdClient(endpoints: cluster.endpoints[0])
            try await writer.put("app/a", "1")
            try await writer.put("app/b", "1")
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let config = try await ConfigManager("app", client: client)
                var changes = config.changes().makeAsyncIterator()
                await proxy.refuseConnections()
                await proxy.cut()
                try await writer.put("app/a", "2")
                try await writer.delete("app/b")
                let newest = try await writer.put("app/c", "3").header.revision
                try await writer.compact(at: newest)
                #expect(config["a"] == "1", "the control: it is cut off")
                try await proxy.acceptConnections()
                var seen: [ConfigChange] = []
                while seen.count < 3, let change = await changes.next() { seen.append(change) }
                #expect(seen.map(\.key) == ["a", "b", "c"] && seen.map(\.new) == ["2", nil, "3"])
                #expect(!config.isStale)
                await config.close()
                await client.close()
            }
            await writer.close()
        }
    }
}
