// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ConfigManager: nested configurations, and names", .live, .timeLimit(.minutes(2)))
struct NestedConfigTests {
    @Test("the outer configuration has the values of the inner one, but not the library's own keys")
    func values() async throws {
        try await withLiveClient { client, name in
            let inner = try SnapshotManager("\(name)/app", client: client)
            try await inner.replace(with: ["a": 1, "b": 2])
            try await inner.create("saved")
            try await client.put(name + "/x", "0")
            // A restoration that has died before its copying, and pieces of one that was given up.
            try await putIntoEffect(["a": "3"], inner.layout, client)
            try await client.put(inner.layout.stages + "given-up/0", "junk")
            try await client.withConfiguration("\(name)") { outer in
                #expect(outer.values() == ["x": "0", "app/a": "1", "app/b": "2"])
                // Each operation that changes all values, or saves them, completes a pending restoration.
                let snapshots = SnapshotManager(outer)
                let saved = try await snapshots.create()
                #expect(try await snapshots.values(of: saved.name) == ["x": "0", "app/a": "3"])
                try await snapshots.replace(with: ["app/a": 5])
                #expect(try await client.withConfiguration("\(name)/app") { $0.values() } == ["a": "5"])
                #expect(try await inner.list().records.map(\.name).contains("saved"))
                try await inner.restore("saved")
                try await snapshots.restore(saved.name)
                #expect(try await client.withConfiguration("\(name)/app") { $0.values() } == ["a": "3"])
                try await eventually("the outer one has followed") { outer.values() == ["x": "0", "app/a": "3"] }
            }
        }
    }

    @Test("a deletion in the inner one is a change of the outer one, and an invalid inner state does not stop it")
    func changes() async throws {
        try await withLiveClient { client, name in
            let outer = try SnapshotManager("\(name)", client: client)
            try await client.withConfiguration("\(name)/app") { inner in
                try await inner.set("a", 1)
                let seen = inner.view.revision
                try await inner.delete("a")
                let error = await #expect(throws: ConfigError.self) {
                    try await outer.replace(with: ["x": 1], expecting: seen)
                }
                #expect(error?.code == .conflict)
            }
            try await client.put(name + "/app/.restore", "junk")
            try await outer.replace(with: ["app/b": 1])
            #expect(try await client.get(name + "/app/b")?.value == "1")
            #expect(try await client.get(name + "/app/.restore")?.value == "junk")
        }
    }

    @Test("a deletion through the outer one stays, although a restoration of the inner one was not complete")
    func deletion() async throws {
        try await withLiveClient { client, name in
            let inner = try ConfigLayout(name + "/app")
            try await client.withConfiguration("\(name)") { outer in
                // A restoration that has died before its copying.
                try await putIntoEffect(["a": "1", "b": "2"], inner, client)
                try await outer.delete("app/a")
                _ = try await Restorer(client: client, layout: inner).settled()
                #expect(try await client.get(name + "/app/a") == nil)
                #expect(try await client.get(name + "/app/b")?.value == "2", "the control: it was copied")
            }
        }
    }

    @Test(
        "keys that are reserved for the library are refused, also in nested configurations",
        arguments: [".a", "a/.b", "a/.b/c", "a.snapshots/records/1", ""]
    )
    func reservedKeys(key: String) async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                let key = Key(key)
                var error = await #expect(throws: ConfigError.self) { try await config.set(key, 1) }
                #expect(error?.code == .invalidKey && error?.key == key)
                error = await #expect(throws: ConfigError.self) { try await config.delete(key) }
                #expect(error?.code == .invalidKey)
                error = await #expect(throws: ConfigError.self) {
                    try await SnapshotManager(config).replace(with: [key: 1])
                }
                #expect(error?.code == .invalidKey)
                // As by another program.
                let put = try await client.put(name + "/" + key, "1").header.revision
                try await config.waitUntil(revision: put)
                #expect(config.values().isEmpty && config[key] == nil)
            }
        }
    }

    @Test(
        "keys that only resemble reserved ones are values",
        arguments: ["a.b", "a/b.c/d", "a.snapshots", "snapshots/a", "a/b."]
    )
    func ordinaryKeys(key: String) async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                try await config.set(Key(key), 1)
                #expect(config.values() == [Key(key): "1"])
            }
        }
    }

    @Test(
        "names that would mix keys are refused at once",
        arguments: ["/", "a/", "a//b", "a.snapshots", "a.snapshots/b", ".a", "a/.restore"]
    )
    func names(name: String) async throws {
        try await withLiveClient { client, _ in
            await expectError(.invalidArgument) { try SnapshotManager(name, client: client) }
            await expectError(.invalidArgument) { try await ConfigManager(name, client: client) }
        }
    }
}
