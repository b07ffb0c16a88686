// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("Watch: a cluster with faults", .cluster, .serialized, .timeLimit(.minutes(3)))
struct WatchFailoverTests {
    /// Lends a cluster of three members behind proxies, with a client of the proxies and one past them.
    private func withCluster(
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: (Setting) async throws -> Void
    ) async throws {
        try await withEtcdCluster(members: 3) { cluster in
            var proxies: [FaultProxy] = []
            for member in cluster.members { proxies.append(try await FaultProxy.start(to: member.endpoint)) }
            let log = EventLog()
            var configuration = try EtcdClient.Configuration(endpoints: proxies.map(\.endpoint))
            log.attach(to: &configuration)
            configure(&configuration)
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { writer in
                try await withEtcdClient(configuration) { client in
                    try await body(
                        Setting(cluster: cluster, proxies: proxies, client: client, writer: writer, log: log)
                    )
                }
            }
            for proxy in proxies { await proxy.stop() }
        }
    }

    private struct Setting {
        let cluster: EtcdCluster
        let proxies: [FaultProxy]
        let client: EtcdClient
        let writer: EtcdClient
        let log: EventLog

        /// The member that serves the client's only watch.
        func indexOfWatch() async throws -> Int {
            var index: Int?
            try await eventually("one member has the watch") {
                for (position, member) in cluster.members.enumerated() {
                    if try await member.metric("etcd_debugging_mvcc_watcher_total") == 1 { index = position }
                }
                return index != nil
            }
            return try #require(index)
        }
    }

    @Test("a silently dead stream is found by its silence, and its watch goes on elsewhere (etcd#8980)")
    func blackhole() async throws {
        try await withCluster {
            // Only the probe can find it.
            $0.pingInterval = .seconds(1000)
            $0.watchProbeInterval = .seconds(1)
            $0.pingTimeout = .seconds(1)
        } _: { setting in
            try await setting.client.withWatch(.prefix("k")) { events in
                var iterator = events.makeAsyncIterator()
                try await setting.writer.put("k", "before")
                #expect(try await iterator.next()?.entry.value == "before")
                let index = try await setting.indexOfWatch()
                await setting.proxies[index].blackhole()
                let start = ContinuousClock.now
                for number in 0..<100 { try await setting.writer.put("k", "\(number)") }
                var seen: [String?] = []
                while seen.count < 100, let event = try await iterator.next() { seen.append(event.entry.value.string) }
                #expect(seen == (0..<100).map { "\($0)" })
                // A second of silence and one for an answer, and some for a slow machine.
                #expect(.now - start < .seconds(6))
                let dead = try Endpoint(setting.proxies[index].endpoint)
                #expect(setting.log.failovers.contains { $0.from == dead && $0.to != dead })
                #expect(setting.log.resumptions.last?.endpoint != dead)
            }
        }
    }

    @Test("the control: without a probe, the watch of a silently dead stream stays there")
    func blackholeWithoutProbe() async throws {
        try await withCluster {
            $0.pingInterval = .seconds(1000)
            $0.watchProbeInterval = .seconds(1000)
        } _: { setting in
            try await setting.client.withWatch(.prefix("k")) { events in
                let index = try await setting.indexOfWatch()
                await setting.proxies[index].blackhole()
                try await setting.writer.put("k", "x")
                let seen = Task {
                    var iterator = events.makeAsyncIterator()
                    return try await iterator.next()
                }
                try await Task.sleep(for: .seconds(6))
                seen.cancel()
                await expectError(.cancelled) { _ = try await seen.value }
                #expect(setting.log.resumptions.isEmpty)
            }
        }
    }

    @Test("a watch of a member without a leader survives, and delivers everything when there is one (etcd#12534)")
    func leaderless() async throws {
        try await withCluster {
            $0.watchProbeInterval = .seconds(1)
            $0.pingTimeout = .seconds(1)
        } _: { setting in
            try await setting.client.withWatch(.prefix("k")) { events in
                var iterator = events.makeAsyncIterator()
                try await setting.writer.put("k", "before")
                #expect(try await iterator.next()?.entry.value == "before")
                let index = try await setting.indexOfWatch()
                let others = setting.cluster.members.enumerated().filter { $0.offset != index }.map(\.element)
                for member in others { await member.freeze() }
                // etcd ends the stream when its member has had no leader for three election timeouts.
                let own = try Endpoint(setting.proxies[index].endpoint)
                try await eventually("the member is avoided for want of a leader") {
                    setting.log.events.contains { event in
                        if case .suspected(own, let error) = event { error.code == .noLeader } else { false }
                    }
                }
                for member in others { member.thaw() }
                for member in setting.cluster.members { try await member.waitUntilReady() }
                for number in 0..<20 { try await setting.writer.put("k", "\(number)") }
                var seen: [String?] = []
                while seen.count < 20, let event = try await iterator.next() { seen.append(event.entry.value.string) }
                #expect(seen == (0..<20).map { "\($0)" })
                #expect(!setting.log.resumptions.isEmpty)
            }
        }
    }

    @Test("when the member of a watch is killed, the watch goes on elsewhere at once")
    func kill() async throws {
        // A pause before the first move would show.
        try await withCluster({ $0.backoff = Backoff(initial: .seconds(20), maximum: .seconds(20)) }) { setting in
            // All three connections are open, so that the watch can move.
            _ = try await setting.client.get("k")
            try await eventually("three connections") { await setting.client.core.channel.links.count == 3 }
            try await setting.client.withWatch(.prefix("k")) { events in
                let index = try await setting.indexOfWatch()
                await setting.cluster.members[index].kill()
                let start = ContinuousClock.now
                try await eventually("the watch is resumed") { setting.log.resumptions.count == 1 }
                #expect(.now - start < .seconds(5))
                // While a leader is elected, a write may fail.
                try await eventually("a put") { (try? await setting.writer.put("k", "after")) != nil }
                var iterator = events.makeAsyncIterator()
                #expect(try await iterator.next()?.entry.value == "after")
                #expect(setting.log.failovers.count == 1)
            }
        }
    }

    @Test("three watchers see a writer's changes once and in order while members are killed at random")
    func randomKills() async throws {
        try await withCluster { setting in
            let client = setting.client
            try await withThrowingTaskGroup(of: [KeyValue].self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        var seen: [KeyValue] = []
                        for try await event in client.watch(.prefix("k/"), from: 1) {
                            if event.key == "k/end" { break }
                            seen.append(event.entry)
                        }
                        return seen
                    }
                }
                let isDone = Lock(false)
                let written = Lock(0)
                let writing = Task { [writer = setting.writer] in
                    var number = 0
                    while !isDone.withLock({ $0 }) {
                        // Some are in doubt, and happen or not: the store's history is what counts.
                        if (try? await writer.put("k/\(number % 10)" as Key, "\(number)")) != nil {
                            written.withLock { $0 += 1 }
                        }
                        number += 1
                    }
                }
                for kill in 1...8 {
                    try await eventually("writes go on") { written.withLock { $0 } >= kill * 20 }
                    let member = try #require(setting.cluster.members.randomElement())
                    await member.kill()
                    try await member.restart()
                }
                isDone.withLock { $0 = true }
                await writing.value
                let end = try await eventualPut(setting.writer, "k/end").header.revision
                var history: [KeyValue] = []
                let first = try #require(setting.cluster.endpoints.first)
                try await withEtcdClient(endpoints: first) { reader in
                    for try await event in reader.watch(.prefix("k/"), from: 1) {
                        if event.revision >= end { break }
                        history.append(event.entry)
                    }
                }
                #expect(history.count > 100)
                for try await seen in group { #expect(seen == history) }
            }
        }
    }

    /// Puts until a put is acknowledged.
    private func eventualPut(_ client: EtcdClient, _ key: Key) async throws -> PutResponse {
        while true {
            do { return try await client.put(key, "") } catch {
                guard [.ambiguous, .unavailable, .timedOut].contains(error.code) else { throw error }
            }
        }
    }

    @Test("streams are spread over the members, and cancelled watches leave no watch or stream open (etcd#13610)")
    func spreading() async throws {
        try await withCluster { setting in
            try await eventually("three connections") {
                _ = try await setting.client.get("k")
                return await setting.client.core.channel.links.count == 3
            }
            let streams = await setting.client.openStreamCount
            let client = setting.client
            let tasks = (0..<400).map { number in
                Task { for try await _ in client.watch(.key(Key("k/\(number)"))) {} }
            }
            func watchers() async throws -> [Double] {
                var counts: [Double] = []
                for member in setting.cluster.members {
                    counts.append(try await member.metric("etcd_debugging_mvcc_watcher_total") ?? 0)
                }
                return counts
            }
            try await eventually("400 watches") { try await watchers().reduce(0, +) == 400 }
            #expect(try await watchers().allSatisfy { $0 >= 100 })
            for task in tasks { task.cancel() }
            for task in tasks { await expectError(.cancelled) { try await task.value } }
            try await eventually("no watch is left") { try await watchers().reduce(0, +) == 0 }
            try await eventually("no stream is left") { await setting.client.openStreamCount == streams }
        }
    }
}
