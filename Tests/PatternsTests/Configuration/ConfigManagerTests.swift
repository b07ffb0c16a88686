// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ConfigManager", .live, .timeLimit(.minutes(2)))
struct ConfigManagerTests {
    private struct Pool: Codable, Equatable {
        var size: Int
        var name: String
    }

    @Test("a value is visible when the call that sets it returns, and plain text in the store")
    func setAndGet() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                try await config.set("database/host", "localhost")
                #expect(try config.string("database/host") == "localhost")
                try await config.set("database/port", 5432)
                #expect(try config.int("database/port") == 5432)
                try await config.set("ratio", 0.25)
                try await config.set("enabled", true)
                try await config.set("timeout", Duration.milliseconds(1500))
                try await config.set("raw", [0xff, 0x00] as [UInt8])
                try await config.set("pool", encoding: Pool(size: 3, name: "a/b"))
                #expect(try config.double("ratio") == 0.25)
                #expect(try config.bool("enabled"))
                #expect(try config.duration("timeout") == .milliseconds(1500))
                #expect(try config.bytes("raw") == [0xff, 0])
                #expect(try config.decode("pool") == Pool(size: 3, name: "a/b"))
                #expect(try await client.get(name + "/database/host")?.value == "localhost")
                #expect(try await client.get(name + "/pool")?.value == #"{"name":"a/b","size":3}"#)
                #expect(config.values(under: "database") == ["database/host": "localhost", "database/port": "5432"])
                #expect(config.values().count == 7)
                try await config.delete("database/host")
                #expect(try config.value("database/host", as: String.self) == nil)
                #expect(config["database/port"] == "5432")
                #expect(!config.isStale && config.failure == nil && config.rejection == nil)
                #expect(config.staleness != nil)
            }
        }
    }

    @Test("an operator puts and reads values by etcdctl, as they are")
    func etcdctl() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                try await config.set("database/host", "localhost")
                let endpoint = try await liveEndpoint()
                let put = try await EtcdCtl(["put", "\(name)/database/port", "5433"], endpoint: endpoint)
                try await eventually("the value has come") { config["database/port"] != nil }
                #expect(try config.int("database/port") == 5433)
                let get = try await EtcdCtl(["get", "--prefix", "\(name)/"], endpoint: endpoint)
                let lines = ["\(name)/database/host", "localhost", "\(name)/database/port", "5433", ""]
                try await eventually("it is plain text") { get.output == lines.joined(separator: "\n") }
                #expect(put.output == "OK\n")
            }
        }
    }

    @Test(
        "errors name the key, the value and the wanted type; a default never throws, and the wrong value is reported once"
    )
    func errors() async throws {
        let mistakes = Lock<[ConfigError]>([])
        let onEvent: @Sendable (ConfigManager.Event) -> Void = { event in
            if case .defaultUsed(let error) = event { mistakes.withLock { $0.append(error) } }
        }
        try await withLiveClient { client, name in
            try await client.put(name + "/port", "54x")
            try await client.put(name + "/pool", #"{"size":"three"}"#)
            try await client.withConfiguration("\(name)", onEvent: onEvent) { config in
                var error = #expect(throws: ConfigError.self) { try config.int("port") }
                #expect(error?.code == .wrongType && error?.key == "port" && error?.value == "54x")
                #expect(error?.message == #""port" is "54x", not Int"#)
                for _ in 0..<3 { #expect(config.int("port", default: 80) == 80) }
                #expect(config.view.decode("pool", default: Pool(size: 7, name: "d")).size == 7)
                #expect(mistakes.withLock { $0.map(\.key) } == ["port", "pool"])
                #expect(mistakes.withLock { $0.first?.message } == #""port" is "54x", not Int"#)
                let revision = try await client.put(name + "/port", "55x").header.revision
                try await config.waitUntil(revision: revision)
                #expect(config.int("port", default: 80) == 80 && config.int("other", default: 1) == 1)
                #expect(mistakes.withLock { $0.map(\.value) } == ["54x", #"{"size":"three"}"#, "55x"])
                error = #expect(throws: ConfigError.self) { try config.value("port", as: Int.self) }
                #expect(error?.code == .wrongType)
                error = #expect(throws: ConfigError.self) { try config.int("other") }
                #expect(error?.code == .missing && error?.key == "other")
                let fallback = config.int("other", default: 80)
                #expect(fallback == 80)
                #expect(try config.value("other", as: Int.self) == nil)
                error = #expect(throws: ConfigError.self) { try config.decode("pool", as: Pool.self) }
                #expect(error?.code == .wrongType && error?.cause is DecodingError)
                #expect(error?.message.contains("JSON of Pool") == true)
                #expect(config.decode("none", default: Pool(size: 1, name: "d")).size == 1)
                for key: Key in ["", ".restore", ".x"] {
                    let error = await #expect(throws: ConfigError.self) { try await config.set(key, 1) }
                    #expect(error?.code == .invalidKey)
                    #expect(config[key] == nil)
                }
                error = await #expect(throws: ConfigError.self) { try await config.set("ratio", Double.infinity) }
                #expect(error?.code == .wrongType)
            }
            await expectError(.emptyKey) { try await ConfigManager("", client: client) }
        }
    }

    @Test("a snapshot does not change, and has no keys of other names")
    func views() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "-other/a", "1")
            try await client.put(name, "1")
            try await client.withConfiguration("\(name)") { config in
                try await config.set("a", 1)
                let before = config.view
                try await config.change { edit in
                    try edit.set("a", 2)
                    try edit.set("b", 2)
                }
                #expect(try before.int("a") == 1 && before["b"] == nil)
                #expect(config.values() == ["a": "2", "b": "2"])
                #expect(config.view.revision > before.revision)
                let changes = config.view.changes(since: before)
                #expect(changes.map(\.key) == ["a", "b"] && changes.map(\.old) == ["1", nil])
                #expect(changes.map(\.new) == ["2", "2"])
            }
        }
    }

    // MARK: Following

    @Test("changes by others come with the old and the new value; a put of the same value is not a change")
    func changes() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/api/timeout", "30")
            try await client.withConfiguration("\(name)") { config in
                var changes = config.changes(of: "api/timeout").makeAsyncIterator()
                try await client.put(name + "/api/timeout", "30")
                try await client.put(name + "/api/timeouts", "31")
                try await client.put(name + "/api/timeout", "40")
                var change = await changes.next()
                #expect(change?.old == "30" && change?.new == "40" && change?.key == "api/timeout")
                #expect(try change?.value(as: Duration.self) == .seconds(40))
                try await client.delete(name + "/api/timeout")
                change = await changes.next()
                #expect(change?.old == "40" && change?.new == nil)
                try await client.put(name + "/api/timeout/deep", "1")
                change = await changes.next()
                #expect(change?.key == "api/timeout/deep" && change?.old == nil)
                let last = try await client.put(name + "/api/timeout/deep", "1").header.revision
                try await config.waitUntil(revision: last)
                await config.close()
                #expect(await changes.next() == nil)
                // A closed manager stays readable.
                #expect(try config.int("api/timeout/deep") == 1)
                #expect(config.isStale)
            }
        }
    }

    @Test("a snapshot comes when a value is different, and not when the same value is put again")
    func viewUpdates() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/a", "1")
            try await client.withConfiguration("\(name)") { config in
                var views = config.views.makeAsyncIterator()
                #expect(await views.next()?.values() == ["a": "1"])
                for _ in 0..<5 { try await client.put(name + "/a", "1") }
                let last = try await client.put(name + "/.x", "not a value").header.revision
                try await config.waitUntil(revision: last)
                #expect(config.view.revision == last)
                try await client.put(name + "/a", "2")
                #expect(await views.next()?.values() == ["a": "2"])
            }
        }
    }

    @Test("many changes within the interval are merged into few, and the last state always arrives")
    func coalescing() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                let changes = config.changes(of: "n", interval: .milliseconds(200))
                let reader = Task {
                    var seen: [ConfigChange] = []
                    for await change in changes {
                        seen.append(change)
                        if change.new == "500" { break }
                    }
                    return seen
                }
                let start = ContinuousClock.now
                for number in 1...500 { try await client.put(name + "/n", "\(number)") }
                let seen = await reader.value
                let intervals = Int(start.duration(to: .now) / .milliseconds(200)) + 2
                #expect(seen.count <= intervals, "of 500 changes")
                // No change is lost: each begins with the value that the one before has ended with.
                #expect(seen.dropFirst().map(\.old) == seen.dropLast().map(\.new))
                #expect(seen.map(\.revision) == seen.map(\.revision).sorted())
            }
        }
    }

    @Test("a cancelled or abandoned reader ends, and a dropped manager too")
    func ends() async throws {
        try await withLiveClient { client, name in
            let config = try await ConfigManager("\(name)", client: client)
            let reader = Task {
                for await _ in config.changes() {}
                return true
            }
            reader.cancel()
            #expect(await reader.value)
            var dropped: ConfigManager? = try await ConfigManager("\(name)", client: client)
            let updates = try #require(dropped).views
            let follower = Task {
                var count = 0
                for await _ in updates { count += 1 }
                return count
            }
            dropped = nil
            #expect(await follower.value <= 1)
            await config.close()
            await config.close()
        }
    }

    // MARK: Changing

    @Test("no concurrent update is lost")
    func updates() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            for _ in 0..<5 { try await config.update("n", as: Int.self) { ($0 ?? 0) + 1 } }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(try config.int("n") == 40)
                // The control: reading and setting loses some.
                try await config.set("n", 0)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<8 {
                        group.addTask { for _ in 0..<5 { try await config.set("n", try config.int("n") + 1) } }
                    }
                    try await group.waitForAll()
                }
                #expect(try config.int("n") < 40)
                #expect(try await config.update("n", as: Int.self) { _ in nil } == nil)
                #expect(config["n"] == nil)
            }
        }
    }

    @Test("a change is repeated when a value that it has read is changed, and nothing is written when it throws")
    func changeConflict() async throws {
        struct Refusal: Error {}
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)") { config in
                try await config.set("a", 1)
                var runs = 0
                let (result, revision) = try await config.change { edit in
                    runs += 1
                    let a = try edit.value("a", as: Int.self) ?? 0
                    if runs == 1 { try await client.put(name + "/a", "10") }
                    try edit.set("b", a + 1)
                    try edit.delete("c")
                    return try edit.value("b", as: Int.self)
                }
                #expect(runs == 2 && result == 11 && config.view.revision >= revision)
                #expect(config.values() == ["a": "10", "b": "11"])
                await #expect(throws: Refusal.self) {
                    try await config.change { edit in
                        try edit.set("a", 99)
                        throw Refusal()
                    }
                }
                #expect(try config.int("a") == 10)
                let unchanged = try await config.change { try $0.value("a", as: Int.self) }
                #expect(unchanged.result == 10)
                await expectError(.tooManyOperations) {
                    try await config.change { edit in for number in 0..<200 { try edit.set("n/\(number)", number) } }
                }
            }
        }
    }
}
