// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("SnapshotManager", .cluster, .timeLimit(.minutes(2)))
struct SnapshotManagerTests {
    @Test("a snapshot is saved with its author, time and reason, compared and restored, and so is the replaced state")
    func lifecycle() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                var snapshots = SnapshotManager(config)
                snapshots.author = "ada"
                try await config.set("a", 1)
                try await config.set("b", "x")
                let first = try await snapshots.create(reason: "release 1")
                #expect(first.name == "1" && first.author == "ada" && first.reason == "release 1" && first.count == 2)
                #expect(first.revision == config.view.revision && abs(first.time.timeIntervalSinceNow) < 600)
                try await snapshots.create("named")
                var error = await #expect(throws: ConfigError.self) { try await snapshots.create("named") }
                #expect(error?.code == .snapshotExists)
                error = await #expect(throws: ConfigError.self) { try await snapshots.restore("none") }
                #expect(error?.code == .noSnapshot)

                try await config.change { edit in
                    try edit.set("a", 2)
                    try edit.delete("b")
                    try edit.set("c", 3)
                }
                let difference = try await snapshots.difference(from: nil, to: "1")
                #expect(difference.map(\.key) == ["a", "b", "c"])
                #expect(difference.map(\.old) == ["2", nil, "3"] && difference.map(\.new) == ["1", "x", nil])
                #expect(try await snapshots.difference(from: "1", to: "named").isEmpty)
                #expect(try await snapshots.values(of: "1") == ["a": "1", "b": "x"])

                let before = try await snapshots.restore("1", expecting: config.view.revision)
                #expect(config.values() == ["a": "1", "b": "x"])
                #expect(before.name == "2" && before.reason == "before the restoration of 1" && before.count == 2)
                // A snapshot is not saved again as a part of another one.
                #expect(try await snapshots.restore(before.name).sha256 == first.sha256)
                #expect(config.values() == ["a": "2", "c": "3"])
                #expect(try await snapshots.list().records.map(\.name) == ["1", "named", "2"])
                // A restoration of the present values changes nothing.
                let revision = config.view.revision
                #expect(try await snapshots.restore("2").name == "2")
                #expect(try await client.get(name + "/a")?.modRevision ?? 0 <= revision)

                try await snapshots.delete("named")
                try await snapshots.prune(keeping: 1)
                #expect(try await snapshots.list().records.map(\.name) == ["2"])
                #expect(try await client.range(.prefix(name + ".snapshots/")).count == 2)
            }
        }
    }

    @Test("history outlives compactions and the deletion of the configuration; a rollback is a change of its own")
    func rollback() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                try await client.withConfiguration("app") { config in
                    let snapshots = SnapshotManager(config)
                    try await config.set("a", "good")
                    let saved = try await snapshots.create(reason: "known to work")
                    let then = config.view.revision
                    try await config.set("a", "bad")
                    let newest = try await client.put("other", "x").header.revision
                    try await client.compact(at: newest)
                    // The control: the history of etcd is gone.
                    await expectError(.compacted) { try await client.get("app/a", at: then) }
                    try await snapshots.restore(saved.name)
                    #expect(try config.string("a") == "good" && config.view.revision > newest)
                    try await client.delete(.prefix("app/"))
                    try await snapshots.restore(saved.name)
                    #expect(config.values() == ["a": "good"])
                    #expect(try await snapshots.list().records.map(\.reason).contains("known to work"))
                }
            }
        }
    }

    @Test("the validator of the manager checks a snapshot before its restoration; a damaged one is not restored")
    func refusals() async throws {
        try await withLiveClient { client, name in
            let options = ConfigOptions {
                if $0.int("a", default: 1) < 1 { throw ConfigError.invalid("a", "is 0") }
            }
            try await client.withConfiguration("\(name)", options: options) { config in
                let (snapshots, free) = (SnapshotManager(config), try SnapshotManager("\(name)", client: client))
                try await config.set("a", 1)
                try await snapshots.create("good")
                var error = await #expect(throws: ConfigError.self) { try await snapshots.replace(with: ["a": 0]) }
                #expect(error?.code == .invalid)
                error = await #expect(throws: ConfigError.self) { try await free.replace(with: [".a": 0]) }
                #expect(error?.code == .invalidKey)
                try await free.replace(with: ["a": 0, "b": true])
                try await eventually("the rejection shows") { config.rejection != nil }
                #expect(config.values() == ["a": "1"])
                try await snapshots.restore("good")
                #expect(config.rejection == nil && config.values() == ["a": "1"])

                let pieces = try await client.range(.prefix(name + ".snapshots/states/")).entries
                for piece in pieces { try await client.put(piece.key, "2 1\nab\n1\n") }
                error = await #expect(throws: ConfigError.self) { try await free.restore("good") }
                #expect(error?.code == .damaged)
                try await client.put(name + ".snapshots/records/good", "{}")
                error = await #expect(throws: ConfigError.self) { try await free.restore("good") }
                #expect(error?.code == .damaged && error?.value == "{}")
                // An invalid pointer leaves the last good state in effect.
                try await client.put(name + "/.restore", #"{"id":"x","pieces":1,"sha256":""}"#)
                try await eventually("it is reported") { config.rejection?.error.code == .damaged }
                #expect(config.values() == ["a": "1"])
                try await client.delete(name + "/.restore")
                try await eventually("the state is valid again") { !config.isStale }
            }
        }
    }

    @Test("values of any bytes and of a mebibyte, and many at once, come back as they were")
    func sizes() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            var values: [Key: [UInt8]] = [:]
            for number in 0..<3 { values["large/\(number)"] = [UInt8](repeating: UInt8(number), count: 1 << 20) }
            for number in 0..<150 { values["small/\(number)"] = [UInt8(number), 0, 10] }
            values["none"] = []
            try await snapshots.replace(with: values)
            let saved = try await snapshots.create()
            try await snapshots.replace(with: ["a": 1])
            #expect(try await client.withConfiguration("\(name)") { $0.values() } == ["a": "1"])
            try await snapshots.restore(saved.name)
            let restored = try await client.withConfiguration("\(name)") { $0.values() }
            #expect(restored == values.mapValues { Value(bytes: $0) })
            try await snapshots.replace(with: [:])
            #expect(try await client.range(.prefix(name + "/")).entries.allSatisfy { $0.key == name + "/.deletion" })
        }
    }

    @Test("concurrent snapshots get different numbers, and abandoned parts are collected")
    func concurrentCreation() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await client.put(name + "/a", "1")
            // A piece of a process that died long ago, and one of a process that may still be at work.
            let (dead, living) = (name + ".snapshots/states/1000000000-a/0", name + ".snapshots/states/99999999999-b/0")
            try await client.put(dead, "x")
            try await client.put(living, "x")
            let names = try await withThrowingTaskGroup(of: String.self) { group in
                for _ in 0..<5 { group.addTask { try await snapshots.create().name } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(names == ["1", "2", "3", "4", "5"])
            #expect(try await client.get(dead) == nil)
            #expect(try await client.get(living) != nil)
        }
    }
}
