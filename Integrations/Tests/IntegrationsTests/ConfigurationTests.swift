// SPDX-License-Identifier: Apache-2.0

import Configuration
import ConfigurationTesting
import EtcdConfiguration
import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("EtcdConfiguration", .timeLimit(.minutes(2)))
struct ConfigurationTests {
    /// The values that `ProviderCompatTest` reads.
    private static let values: [Key: Value] = [
        "string": "Hello", "int": "42", "double": "3.14", "bool": "true", "bytes": "magic",
        "stringy/array": #"["Hello", "World"]"#, "inty/array": "[42, 24]", "doubly/array": "3.14,2.72",
        "booly/array": "true, false", "byteChunky/array": #"["bWFnaWM=", "bWFnaWMy"]"#,
        "other/string": "Other Hello", "other/int": "24", "other/double": "2.72", "other/bool": "FALSE",
        "other/bytes": "magic2", "other/stringy/array": "Hello,Swift", "other/inty/array": "16, 32",
        "other/doubly/array": "[0.9, 1.8]", "other/booly/array": "[false, true, true]",
        "other/byteChunky/array": #"["bWFnaWM=", "bWFnaWMy", "bWFnaWM="]"#,
    ]

    private func withConfig(_ body: (ConfigManager, EtcdClient) async throws -> Void) async throws {
        try await withEtcd { client, _ in
            try await client.withConfiguration("config/app") { config in try await body(config, client) }
        }
    }

    @Test("EtcdConfigProvider passes the tests of swift-configuration")
    func compatibility() async throws {
        try await withConfig { config, client in
            var revision: Revision = 0
            for (key, value) in Self.values {
                revision = try await client.put("config/app/" + key, value).header.revision
            }
            try await config.waitUntil(revision: revision)
            let provider = EtcdConfigProvider(config)
            #expect(provider.providerName == "EtcdConfigProvider[config/app]")
            try await ProviderCompatTest(provider: provider).runTest()
        }
    }

    @Test("EtcdConfigProvider serves a ConfigReader behind other providers")
    func reader() async throws {
        try await withConfig { config, _ in
            try await config.set("database/port", 5432)
            try await config.set("database/host", "in-etcd")
            let overrides = InMemoryProvider(values: ["database.host": "override"])
            let reader = ConfigReader(providers: [overrides, EtcdConfigProvider(config)])
            let database = reader.scoped(to: "database")
            #expect(database.int(forKey: "port") == 5432)
            #expect(database.string(forKey: "host") == "override")
            #expect(database.string(forKey: "user", default: "nobody") == "nobody")
        }
    }

    @Test("EtcdConfigProvider fetches the newest value")
    func fetch() async throws {
        try await withConfig { config, client in
            let provider = EtcdConfigProvider(config)
            for number in 1...20 {
                try await client.put("config/app/number", Value("\(number)"))
                let result = try await provider.fetchValue(forKey: "number", type: .int)
                #expect(result.value?.content == .int(number))
            }
        }
    }

    @Test("EtcdConfigProvider follows a value, and reports only changes")
    func watchValue() async throws {
        try await withConfig { config, _ in
            let provider = EtcdConfigProvider(config)
            try await provider.watchValue(forKey: "level", type: .string) { updates in
                var iterator = updates.makeAsyncIterator()
                #expect(try await iterator.next()?.get().value == nil)
                try await config.set("other", "x")
                try await config.set("level", "debug")
                #expect(try await iterator.next()?.get().value?.content == .string("debug"))
                try await config.delete("level")
                let last = try #require(try await iterator.next())
                #expect(try last.get().value == nil)
            }
        }
    }

    @Test("EtcdConfigProvider reports a value of another type once, and not again after changes of other values")
    func watchInvalidValue() async throws {
        try await withConfig { config, _ in
            try await config.set("port", "many")
            let provider = EtcdConfigProvider(config)
            let seen = Record<ConfigContent?>()
            async let watching: Void = provider.watchValue(forKey: "port", type: .int) { updates in
                for await update in updates {
                    let content = (try? update.get())?.value?.content
                    seen.add(content)
                    if content != nil { return }
                }
            }
            try await eventually { seen.all.count == 1 }
            for number in 0..<20 { try await config.set("other", number) }
            try await config.set("port", 5432)
            try await watching
            #expect(seen.all == [nil, .int(5432)])
        }
    }

    @Test("EtcdConfigProvider follows states: each has all values of one revision")
    func watchSnapshot() async throws {
        try await withConfig { config, _ in
            let provider = EtcdConfigProvider(config)
            try await provider.watchSnapshot { updates in
                var iterator = updates.makeAsyncIterator()
                _ = try await iterator.next()
                try await config.change { edit in
                    try edit.set("a", 1)
                    try edit.set("b", 2)
                }
                let state = try #require(try await iterator.next())
                #expect(try state.value(forKey: "a", type: .int).value?.content == .int(1))
                #expect(try state.value(forKey: "b", type: .int).value?.content == .int(2))
                try await config.set("a", 3)
                #expect(try state.value(forKey: "a", type: .int).value?.content == .int(1))
                #expect(try provider.snapshot().value(forKey: "a", type: .int).value?.content == .int(3))
            }
        }
    }

    @Test("EtcdConfigProvider throws for a value of another type, and hides secrets")
    func errors() async throws {
        try await withConfig { config, _ in
            try await config.set("port", "many")
            try await config.set("ports", "1,two")
            try await config.set("password", "hunter2")
            let provider = EtcdConfigProvider(config, secrets: .specific(["password"]))
            #expect(throws: ConfigError.self) { try provider.value(forKey: "port", type: .int) }
            #expect(throws: ConfigError.self) { try provider.value(forKey: "ports", type: .intArray) }
            let password = try provider.value(forKey: "password", type: .string)
            #expect(password.value?.isSecret == true)
            #expect(!"\(password)".contains("hunter2"))
            #expect(try provider.value(forKey: "port", type: .string).value?.isSecret == false)
        }
    }
}
