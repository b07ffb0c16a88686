// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("States that a configuration refuses, and the file of the last good one", .timeLimit(.minutes(2)))
struct ConfigValidationTests {
    private struct Pool: Codable { var size: Int }

    private let options = ConfigOptions { config in
        if try config.int("port", default: 80) < 1 { throw ConfigError.invalid("port", "must be at least 1") }
        _ = try config.decode("pool", as: Pool.self, default: Pool(size: 1))
    }

    @Test("a bad state is reported, the last good one stays, and a later good one is taken", arguments: ["x", "0"])
    func rejection(bad: String) async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/port", "80")
            try await client.withConfiguration(name, options: options) { config in
                var rejections = config.rejections.makeAsyncIterator()
                let put = try await client.transaction(
                    then: [.put(name + "/port", Value(bad)), .put(name + "/other", "new")]
                )
                let rejection = try #require(await rejections.next())
                #expect(rejection.revision == put.header.revision && rejection.error.key == "port")
                #expect(rejection.error.code == (bad == "x" ? .wrongType : .invalid))
                #expect(config.isStale && config.rejection?.revision == rejection.revision)
                // Also what was good of the bad state is not there.
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

    @Test("the manager itself does not write what it would refuse")
    func ownWrites() async throws {
        try await withLiveClient { client, name in
            try await client.withConfiguration(name, options: options) { config in
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

    @Test("a configuration that begins bad is an error, but not where there is a file of a good one")
    func badStart() async throws {
        try await withLiveClient { client, name in
            try await withTemporaryFile { path in
                var options = options
                options.file = .init(path)
                try await client.put(name + "/port", "80")
                try await client.withConfiguration(name, options: options) { _ in }
                try await client.put(name + "/port", "x")
                let bare = ConfigOptions(validate: options.validate)
                let error = await #expect(throws: ConfigError.self) {
                    try await ConfigManager(name, client: client, options: bare)
                }
                #expect(error?.code == .wrongType && error?.value == "x")
                try await client.withConfiguration(name, options: options) { config in
                    #expect(try config.int("port") == 80)
                    #expect(config.isStale && config.snapshot.isFromFile && config.rejection?.error.value == "x")
                    try await client.put(name + "/port", "81")
                    try await eventually("the good state is taken") { config["port"] == "81" }
                    #expect(!config.isStale)
                }
                // The same state of another cluster is not one to begin with.
                try await withEtcdCluster { cluster in
                    try await withEtcdClient(endpoints: cluster.endpoints[0]) { other in
                        try await other.put(name + "/port", "x")
                        await #expect(throws: ConfigError.self) {
                            try await ConfigManager(name, client: other, options: options)
                        }
                    }
                }
            }
        }
    }

    // MARK: Without etcd

    @Test("without etcd, a manager begins with the file, says so, and goes on with the store when that is there")
    func offlineStart() async throws {
        try await withTemporaryFile { path in
            try await withEtcdCluster { cluster in
                let member = cluster.members[0]
                let options = ConfigOptions(file: .init(path))
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    try await client.withConfiguration("app", options: options) { config in
                        try await config.set("port", 5432)
                        try await config.set("text", "a\nb")
                    }
                }
                await member.stop()
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    let hurried = client.with(timeout: .milliseconds(500))
                    // The control: without a file there is nothing to begin with.
                    await #expect(throws: EtcdError.self) { try await ConfigManager("app", client: hurried) }
                    try await hurried.withConfiguration("app", options: options) { config in
                        #expect(try config.int("port") == 5432)
                        #expect(try config.string("text") == "a\nb")
                        #expect(config.isStale && config.snapshot.isFromFile && config.failure != nil)
                        #expect(config.staleness == nil)
                        var changes = config.changes().makeAsyncIterator()
                        try await member.restart()
                        try await client.put("app/port", "5433")
                        #expect(await changes.next()?.new == "5433")
                        #expect(!config.isStale && !config.snapshot.isFromFile)
                    }
                }
                // The manager has written what it saw last.
                await member.stop()
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    try await client.with(timeout: .milliseconds(500)).withConfiguration("app", options: options) {
                        let port = try $0.int("port")
                        #expect(port == 5433)
                    }
                }
            }
        }
    }

    @Test("a file that is damaged, of another kind or name, or too old is a clear error, when etcd is away")
    func badFiles() async throws {
        try await withTemporaryFile { path in
            try await withLiveClient { client, name in
                try await client.put(name + "/a", "1")
                try await client.withConfiguration(name, options: ConfigOptions(file: .init(path))) { _ in }
                try await withEtcdClient(endpoints: "127.0.0.1:1") { nowhere in
                    let nowhere = nowhere.with(timeout: .milliseconds(200))
                    func expect(_ code: ConfigError.Code, _ name: Key, _ maximumAge: Duration? = nil) async {
                        let options = ConfigOptions(file: .init(path, maximumAge: maximumAge))
                        let error = await #expect(throws: ConfigError.self) {
                            try await ConfigManager(name, client: nowhere, options: options)
                        }
                        #expect(error?.code == code && error?.cause is EtcdError, "\(error.debugDescription)")
                        #expect(error?.message.contains(path) == true)
                    }
                    await expect(.tooOld, name, .nanoseconds(1))
                    await expect(.damaged, "another")
                    // The control: it can be read.
                    let options = ConfigOptions(file: .init(path, maximumAge: .seconds(600)))
                    try await nowhere.withConfiguration(name, options: options) { #expect($0["a"] == "1") }
                    let url = URL(fileURLWithPath: path)
                    let good = try Data(contentsOf: url)
                    for index in stride(from: 0, to: good.count, by: 7) {
                        var bad = good
                        bad[index] ^= 1
                        try bad.write(to: url)
                        await expect(.damaged, name)
                        if index > 70 { break }
                    }
                    for bad in [Data(), good.dropLast(), Data("\n".utf8)] {
                        try bad.write(to: url)
                        await expect(.damaged, name)
                    }
                }
            }
        }
    }

    @Test("a file that cannot be written is told of, and does no harm")
    func unwritableFile() async throws {
        try await withLiveClient { client, name in
            let options = ConfigOptions(file: .init("/nowhere/config"))
            try await client.withConfiguration(name, options: options) { config in
                try await eventually("the failure shows") { config.fileFailure?.code == .fileNotWritten }
                try await config.set("a", 1)
                #expect(!config.isStale)
            }
        }
    }
}

/// Lends the path of a file that is not there yet.
private func withTemporaryFile(_ body: (String) async throws -> Void) async throws {
    let name = "config-\(String(UInt64.random(in: .min ... .max), radix: 16))"
    let path = FileManager.default.temporaryDirectory.appending(path: name).path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try await body(path)
}
