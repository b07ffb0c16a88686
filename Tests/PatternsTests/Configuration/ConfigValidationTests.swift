// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ConfigManager: states it refuses, and the file of the last good one", .cluster, .timeLimit(.minutes(2)))
struct ConfigValidationTests {
    private struct Pool: Codable { var size: Int }

    private let options = ConfigOptions { config in
        if config.int("port", default: 80) < 1 { throw ConfigError.invalid("port", "must be at least 1") }
        _ = config.decode("pool", as: Pool.self, default: Pool(size: 1))
    }

    @Test("a bad state is reported, the last good one stays, and a later good one is accepted", arguments: ["x", "0"])
    func rejection(bad: String) async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/port", "80")
            try await client.withConfiguration("\(name)", options: options) { config in
                var rejections = config.rejections.makeAsyncIterator()
                let put = try await client.transaction(
                    then: [.put(name + "/port", Value(bad)), .put(name + "/other", "new")]
                )
                let rejection = try #require(await rejections.next())
                #expect(rejection.revision == put.header.revision && rejection.error.key == "port")
                #expect(rejection.error.code == (bad == "x" ? .wrongType : .invalid))
                #expect(config.isStale && config.rejection?.revision == rejection.revision)
                // The good values of the bad state are not there either.
                #expect(config.values() == ["port": "80"])
                try await client.put(name + "/pool", #"{"size":"#)
                #expect(await rejections.next() != nil)
                try await client.put(name + "/port", "8080")
                #expect(await rejections.next()?.error.key == "pool")
                let fixed = try await client.put(name + "/pool", #"{"size":2}"#).header.revision
                try await config.waitUntil(revision: fixed)
                #expect(!config.isStale && config.rejection == nil)
                #expect(try config.int("port") == 8080)
                #expect(config["other"] == "new")
            }
        }
    }

    @Test("the manager does not write a state that it would refuse")
    func ownWrites() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration("\(name)", options: options) { config in
                try await config.set("port", 80)
                var error = await #expect(throws: ConfigError.self) { try await config.set("port", 0) }
                #expect(error?.code == .invalid && error?.key == "port")
                error = await #expect(throws: ConfigError.self) { try await config.change { try $0.set("port", "x") } }
                #expect(error?.code == .wrongType)
                #expect(try await client.get(name + "/port")?.value == "80")
                try await config.change { edit in
                    try edit.delete("port")
                    try edit.set("pool", encoding: Pool(size: 2))
                }
                #expect(config["port"] == nil)
            }
        }
    }

    @Test("a bad state at the start is an error, unless there is a file of a good one")
    func badStart() async throws {
        try await withLiveClient { client, name in
            try await withTemporaryFile { path in
                var options = options
                options.file = .init(path)
                try await client.put(name + "/port", "80")
                try await client.withConfiguration("\(name)", options: options) { _ in }
                try await client.put(name + "/port", "x")
                let bare = ConfigOptions(validate: options.validate)
                let error = await #expect(throws: ConfigError.self) {
                    try await ConfigManager("\(name)", client: client, options: bare)
                }
                #expect(error?.code == .wrongType && error?.value == "x")
                try await client.withConfiguration("\(name)", options: options) { config in
                    #expect(try config.int("port") == 80)
                    #expect(config.isStale && config.view.isFromFile && config.rejection?.error.value == "x")
                    try await client.put(name + "/port", "81")
                    try await eventually("the good state is taken") { config["port"] == "81" }
                    #expect(!config.isStale)
                }
                // The file is not used for the same state of another cluster.
                try await withEtcdCluster { cluster in
                    try await withEtcdClient(endpoints: cluster.endpoints[0]) { other in
                        try await other.put(name + "/port", "x")
                        await #expect(throws: ConfigError.self) {
                            try await ConfigManager("\(name)", client: other, options: options)
                        }
                    }
                }
            }
        }
    }

    // MARK: Several writers

    /// Of "a" and "b", one may be 1.
    private let exclusive = ConfigOptions { config in
        if config.int("a", default: 0) + config.int("b", default: 0) > 1 {
            throw ConfigError.invalid("a", "and \"b\" exclude each other")
        }
    }

    @Test("of two changes that are good alone and bad together, one is refused")
    func writers() async throws {
        try await withLiveClient { client, name in
            let first = try await ConfigManager("\(name)", client: client, options: exclusive)
            let second = try await ConfigManager("\(name)", client: client, options: exclusive)
            for round in 0..<20 {
                try await first.change { edit in for key: Key in ["a", "b"] { try edit.set(key, 0) } }
                async let a = Task { try await first.set("a", 1) }.result
                async let b = Task { try await second.set("b", 1) }.result
                let failures = await [a, b].compactMap { result -> (any Error)? in
                    if case .failure(let error) = result { error } else { nil }
                }
                #expect(failures.count == 1, "round \(round)")
                for error in failures { #expect((error as? ConfigError)?.code == .invalid, "\(error)") }
                let sum = try await client.range(.prefix(name + "/")).entries.count { $0.value == "1" }
                #expect(sum == 1, "round \(round)")
            }
            await first.close()
            await second.close()
        }
    }

    @Test("a change is repeated and validated together with a concurrent deletion by others")
    func overtaken() async throws {
        try await withLiveClient { client, name in
            let options = ConfigOptions { config in
                if config["limit"] == nil, config["wanted"] != nil {
                    throw ConfigError.invalid("wanted", "has no limit")
                }
            }
            let first = try await ConfigManager("\(name)", client: client, options: options)
            let second = try await ConfigManager("\(name)", client: client, options: options)
            for isDeletion in [false, true] {
                try await first.set("limit", 1)
                var runs = 0
                let result = await #expect(throws: ConfigError.self) {
                    try await first.change { edit in
                        runs += 1
                        try edit.set("wanted", 1)
                        if runs > 1 { return }
                        // Once by the library, once as by etcdctl.
                        if isDeletion {
                            try await client.delete(name + "/limit")
                        } else {
                            try await second.delete("limit")
                        }
                    }
                }
                #expect(result?.code == .invalid && runs == 2)
                #expect(try await client.get(name + "/wanted") == nil)
            }
            await first.close()
            await second.close()
        }
    }

    @Test("all of many concurrent updates succeed under a validator")
    func manyWriters() async throws {
        try await withLiveClient { client, name in
            let options = ConfigOptions { _ in }
            let config = try await ConfigManager("\(name)", client: client, options: options)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask { for _ in 0..<3 { try await config.update("\(number % 2)") { ($0 ?? 0) + 1 } } }
                }
                try await group.waitForAll()
            }
            #expect(config.values() == ["0": "12", "1": "12"])
            await config.close()
        }
    }

    // MARK: Out of a bad state

    @Test("a bad state that keeps a manager from starting is repaired by hand or by a snapshot")
    func repairedStart() async throws {
        try await withLiveClient { client, name in
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await snapshots.replace(with: ["port": 80])
            try await snapshots.create("good")
            for repair in 0..<3 {
                try await client.put(name + "/port", "x")
                let error = await #expect(throws: ConfigError.self) {
                    try await ConfigManager("\(name)", client: client, options: options)
                }
                #expect(error?.code == .wrongType && error?.key == "port")
                switch repair {
                case 0: try await client.put(name + "/port", "80")
                case 1: try await snapshots.restore("good")
                default: try await client.withConfiguration("\(name)") { try await $0.set("port", 80) }
                }
                try await client.withConfiguration("\(name)", options: options) { config in
                    #expect(config["port"] == "80" && config.source.isEtcd)
                }
            }
        }
    }

    @Test("a manager repairs a bad state in one change, and makes no other change before")
    func repair() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/port", "80")
            try await client.withConfiguration("\(name)", options: options) { config in
                try await client.transaction(then: [.put(name + "/port", "x"), .put(name + "/pool", "x")])
                try await eventually("it is rejected") { config.rejection != nil }
                for key: Key in ["other", "port"] {
                    let error = await #expect(throws: ConfigError.self) { try await config.set(key, 81) }
                    #expect(error?.key == (key == "port" ? "pool" : "port"), "the value that is still bad")
                }
                try await config.change { edit in
                    try edit.set("port", 81)
                    try edit.set("pool", encoding: Pool(size: 2))
                }
                #expect(config.rejection == nil && config["port"] == "81" && config["other"] == nil)
            }
        }
    }
}

/// Lends the path of a file that is not there yet.
func withTemporaryFile(_ body: (String) async throws -> Void) async throws {
    let name = "config-\(String(UInt64.random(in: .min ... .max), radix: 16))"
    let path = FileManager.default.temporaryDirectory.appending(path: name).path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}
