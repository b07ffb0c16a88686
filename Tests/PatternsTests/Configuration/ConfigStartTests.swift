// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite(
    "ConfigManager: the start without etcd, and the file of the last good state",
    .cluster,
    .timeLimit(.minutes(2))
)
struct ConfigStartTests {
    @Test("without etcd, a manager begins with the file, reports that, and follows the store when etcd is there")
    func offlineStart() async throws {
        try await withTemporaryFile { path in
            try await withEtcdCluster { cluster in
                let member = cluster.members[0]
                let options = ConfigOptions(file: .init(path), initialWait: .milliseconds(300))
                let start = ContinuousClock.now
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    try await client.withConfiguration("app", options: options) { config in
                        try await config.set("port", 5432)
                        try await config.set("text", "a\nb")
                    }
                }
                await member.stop()
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    try await client.withConfiguration("app", options: options) { config in
                        #expect(try config.int("port") == 5432)
                        #expect(try config.string("text") == "a\nb")
                        #expect(config.isStale && config.view.isFromFile && config.staleness == nil)
                        if case .file(let since) = config.source { #expect(since >= start) } else { Issue.record() }
                        var changes = config.changes().makeAsyncIterator()
                        try await member.restart()
                        try await client.put("app/port", "5433")
                        #expect(await changes.next()?.new == "5433")
                        #expect(!config.isStale && !config.view.isFromFile && config.source.isEtcd)
                        #expect(config.source.since > start && config.staleness != nil)
                    }
                }
                // The manager has written the state that it saw last.
                await member.stop()
                try await withEtcdClient(endpoints: member.endpoint) { client in
                    try await client.withConfiguration("app", options: options) {
                        let port = try $0.int("port")
                        #expect(port == 5433)
                    }
                }
            }
        }
    }

    @Test("without etcd and a file, a manager begins without values, reports that, and gets them when etcd is there")
    func nothing() async throws {
        try await withLiveClient { writer, name in
            try await writer.put(name + "/port", "80")
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                await proxy.refuseConnections()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                try await withEtcdClient(configuration) { client in
                    let start = ContinuousClock.now
                    let options = ConfigOptions(initialWait: .milliseconds(300)) { _ = try $0.int("port") }
                    try await client.withConfiguration("\(name)", options: options) { config in
                        #expect(start.duration(to: .now) >= .milliseconds(300))
                        #expect(config.values().isEmpty && config.isStale && config.staleness == nil)
                        if case .nothing(let since) = config.source { #expect(since >= start) } else { Issue.record() }
                        let port = config.int("port", default: 1)
                        #expect(port == 1)
                        var views = config.views.makeAsyncIterator()
                        #expect(await views.next()?.values() == [:])
                        try await proxy.acceptConnections()
                        #expect(await views.next()?.values() == ["port": "80"])
                        #expect(config.source.isEtcd && !config.isStale)
                        try await config.set("port", 81)
                        #expect(config["port"] == "81")
                    }
                }
            }
        }
    }

    @Test("a bad state of etcd is rejected when it arrives after the start")
    func badLater() async throws {
        try await withLiveClient { writer, name in
            try await writer.put(name + "/port", "x")
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                await proxy.refuseConnections()
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    let options = ConfigOptions(initialWait: .zero) { _ = $0.int("port", default: 1) }
                    try await client.withConfiguration("\(name)", options: options) { config in
                        try await proxy.acceptConnections()
                        try await eventually("it is rejected") { config.rejection?.error.key == "port" }
                        #expect(!config.source.isEtcd && config.values().isEmpty)
                        try await writer.put(name + "/port", "80")
                        try await eventually("the good one is taken") { config["port"] == "80" }
                        #expect(config.source.isEtcd && !config.isStale)
                    }
                }
            }
        }
    }

    @Test("a store that cannot be followed is reported once, and again after it could be")
    func reportedOnce() async throws {
        let permission = Permission(.read, .prefix("c/"))
        try await withAuthenticatingEtcd([permission]) { root, worker in
            let failures = Lock(0)
            let config = try await ConfigManager("c", client: worker) { event in
                if case .followingFailed(EtcdError.Code.permissionDenied) = event { failures.withLock { $0 += 1 } }
            }
            for count in 1...2 {
                try await root.auth.roles.revoke(permission.range, from: "worker")
                try await eventually("it is reported") { failures.withLock { $0 } == count }
                // After pauses of 50, 80, 128 ms and so on.
                try await Task.sleep(for: .seconds(2))
                #expect(failures.withLock { $0 } == count && config.failure?.code == .permissionDenied)
                try await root.auth.roles.grant(permission, to: "worker")
                try await eventually("it is followed again") { config.failure == nil }
            }
            await config.close()
        }
    }

    @Test("the start throws an error that does not pass by itself", .timeLimit(.minutes(1)))
    func closed() async throws {
        try await withLiveClient { client, name in
            await client.close()
            await expectError(.clientClosed) {
                try await ConfigManager("\(name)", client: client, options: ConfigOptions(initialWait: .seconds(600)))
            }
        }
    }

    @Test("a file that is damaged, of another name, too old or refused is not used, and reported")
    func badFiles() async throws {
        try await withTemporaryFile { path in
            try await withLiveClient { client, name in
                try await client.put(name + "/a", "1")
                try await client.withConfiguration("\(name)", options: ConfigOptions(file: .init(path))) { _ in }
                try await withEtcdClient(endpoints: "127.0.0.1:1") { nowhere in
                    func expect(_ code: ConfigError.Code, _ name: Key, _ options: ConfigOptions) async throws {
                        let reported = Lock<[ConfigError.Code]>([])
                        let note: @Sendable (ConfigManager.Event) -> Void = { event in
                            if case .fileFailed(let error) = event { reported.withLock { $0.append(error.code) } }
                        }
                        try await nowhere.withConfiguration("\(name)", options: options, onEvent: note) { config in
                            #expect(config.fileFailure?.code == code, "\(config.fileFailure.debugDescription)")
                            #expect(config.values().isEmpty && config.isStale)
                            if case .nothing = config.source {} else { Issue.record("\(config.source)") }
                            #expect(code == .invalid || config.fileFailure?.message.contains(path) == true)
                        }
                        #expect(reported.withLock { $0 } == [code])
                    }
                    func options(_ maximumAge: Duration? = nil) -> ConfigOptions {
                        ConfigOptions(file: .init(path, maximumAge: maximumAge), initialWait: .zero)
                    }
                    try await expect(.tooOld, name, options(.nanoseconds(1)))
                    try await expect(.damaged, "another", options())
                    var strict = options()
                    strict.validate = { _ in throw ConfigError.invalid("a", "is not liked any more") }
                    try await expect(.invalid, name, strict)
                    // The control: it can be read.
                    try await nowhere.withConfiguration("\(name)", options: options(.seconds(600))) { config in
                        #expect(config["a"] == "1" && config.fileFailure == nil)
                    }
                    let url = URL(fileURLWithPath: path)
                    let good = try Data(contentsOf: url)
                    // In all its parts: the sum, the description and the values.
                    for index in Array(stride(from: 0, to: good.count, by: 23)) + [good.count - 2] {
                        var bad = good
                        bad[index] ^= 1
                        try bad.write(to: url)
                        try await expect(.damaged, name, options())
                    }
                    for bad in [Data(), good.dropLast(), Data("\n".utf8)] {
                        try bad.write(to: url)
                        try await expect(.damaged, name, options())
                    }
                }
            }
        }
    }

    @Test("a file that cannot be written is reported, and the manager works without it")
    func unwritableFile() async throws {
        try await withLiveClient { client, name in
            let options = ConfigOptions(file: .init("/nowhere/config"))
            try await client.withConfiguration("\(name)", options: options) { config in
                try await eventually("the failure shows") { config.fileFailure?.code == .fileNotWritten }
                try await config.set("a", 1)
                #expect(!config.isStale)
            }
        }
    }
}
