// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("KeyMirror: the loss of history", .cluster, .serialized, .timeLimit(.minutes(3)))
struct MirrorFaultTests {
    // MARK: Compaction

    /// Cuts a client off while keys under `k/` are changed and compacted.
    private func compact(_ writer: EtcdClient, behind proxy: FaultProxy) async throws {
        await proxy.refuseConnections()
        await proxy.cut()
        try await writer.put("k/changed", "new")
        try await writer.delete("k/deleted")
        try await writer.put("k/new", "new")
        let newest = try await writer.put("other", "x").header.revision
        try await writer.compact(at: newest)
        try await proxy.acceptConnections()
    }

    private func prepare(_ writer: EtcdClient) async throws {
        for name in ["changed", "deleted", "same"] { try await writer.put("k/" + Key(name), "old") }
    }

    @Test("changes that were compacted while the mirror was cut off come as a difference")
    func compaction() async throws {
        try await withPrivateEtcd { writer, cluster in
            try await prepare(writer)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let log = EventLog()
                try await withEtcdClient(log.configuration([proxy.endpoint])) { client in
                    try await client.withMirror(of: .prefix("k/")) { mirror in
                        var changes = mirror.changes.makeAsyncIterator()
                        #expect(try await changes.next()?.puts.count == 3)
                        try await compact(writer, behind: proxy)
                        let change = try #require(try await changes.next())
                        #expect(change.isDifference)
                        #expect(change.puts.map(\.entry.key) == ["k/changed", "k/new"])
                        #expect(change.puts.map(\.previous?.value) == ["old", nil])
                        #expect(change.deletions.map(\.key) == ["k/deleted"])
                        let revision = mirror.view.revision
                        // It is reported after the change, on another task.
                        try await eventually("the event is reported") { log.resyncs == [revision] }
                        try await writer.put("k/after", "x")
                        #expect(try await mirror.consistentView().count == 4)
                    }
                }
            }
        }
    }

    @Test("the control: a plain watch of the same range ends")
    func compactionControl() async throws {
        try await withPrivateEtcd { writer, cluster in
            try await prepare(writer)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    try await client.withWatch(.prefix("k/")) { events in
                        try await compact(writer, behind: proxy)
                        await expectError(.compacted) { for try await _ in events {} }
                    }
                }
            }
        }
    }

    // MARK: Restoration

    /// A store with a backup of itself on disk, whose revision is lower.
    private struct Backup {
        let cluster: EtcdCluster
        private var member: EtcdMember { cluster.members[0] }
        private var data: URL { URL(fileURLWithPath: cluster.folder).appending(path: member.name) }
        private var copy: URL { URL(fileURLWithPath: cluster.folder).appending(path: "backup") }

        func make() async throws {
            await member.stop()
            try FileManager.default.copyItem(at: data, to: copy)
            try await member.restart()
        }

        func restore() async throws {
            await member.stop()
            try FileManager.default.removeItem(at: data)
            try FileManager.default.moveItem(at: copy, to: data)
            try await member.restart()
        }
    }

    /// Lends a mirror of the keys under `k/` to `body`, in a store whose backup does not have the newest of them.
    private func withBackup(
        checkInterval: Duration,
        _ body: @escaping @Sendable (KeyMirror, EtcdClient, FaultProxy, Backup) async throws -> Void
    ) async throws {
        try await withPrivateEtcd { writer, cluster in
            try await writer.put("k/1", "old")
            try await writer.put("k/2", "old")
            let backup = Backup(cluster: cluster)
            try await backup.make()
            for number in 1...20 { try await writer.put("k/1", "new \(number)") }
            try await writer.delete("k/2")
            try await writer.put("k/3", "new")
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                try await withEtcdClient(configuration) { client in
                    var options = MirrorOptions()
                    options.checkInterval = checkInterval
                    try await client.withMirror(of: .prefix("k/"), options: options) { mirror in
                        #expect(mirror.view.map(\.key) == ["k/1", "k/3"])
                        try await body(mirror, writer, proxy, backup)
                    }
                }
            }
        }
    }

    @Test("a store that was restored from a backup is noticed, and the mirror goes back with it (etcd#14303)")
    func restoration() async throws {
        try await withBackup(checkInterval: .milliseconds(200)) { mirror, writer, _, backup in
            var changes = mirror.changes.makeAsyncIterator()
            #expect(try await changes.next()?.puts.count == 2)
            let before = mirror.view.revision
            try await backup.restore()
            let change = try #require(try await changes.next())
            #expect(change.isDifference && change.revision < before)
            #expect(change.puts.map(\.entry.key) == ["k/1", "k/2"])
            #expect(change.deletions.map(\.key) == ["k/3"])
            #expect(mirror.view.map(\.value) == ["old", "old"])
            // The watch goes on in the new history, which is behind the old one.
            let revision = try await writer.put("k/4", "x").header.revision
            #expect(revision < before)
            #expect(try await changes.next()?.puts.map(\.entry.key) == ["k/4"])
        }
    }

    @Test("a consistent read notices a restored store; the control: a mirror that does not check keeps its state")
    func restorationOnDemand() async throws {
        try await withBackup(checkInterval: .seconds(1000)) { mirror, writer, _, backup in
            let before = mirror.view
            try await backup.restore()
            try await writer.put("k/4", "x")
            // Its watch is back, and waits for revisions that the store will not reach for a long time.
            try await eventually("the watch is back") {
                try await backup.cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") == 1
            }
            try await Task.sleep(for: .seconds(1))
            #expect(mirror.view == before)
            #expect(try #require(mirror.staleness) >= .seconds(1))
            #expect(try await mirror.consistentView().map(\.key) == ["k/1", "k/2", "k/4"])
        }
    }

    @Test("a restored store that has grown beyond the mirror is noticed by an event that does not fit")
    func restorationBehindTheBack() async throws {
        try await withBackup(checkInterval: .seconds(1000)) { mirror, writer, proxy, backup in
            let before = mirror.view.revision
            await proxy.refuseConnections()
            await proxy.cut()
            try await backup.restore()
            for number in 1...40 { try await writer.put("k/other", "\(number)") }
            let last = try await writer.put("k/1", "restored").header.revision
            #expect(last > before)
            try await proxy.acceptConnections()
            try await eventually("the list is made anew") { mirror.view.revision >= last }
            #expect(mirror.view.map(\.key) == ["k/1", "k/2", "k/other"])
            #expect(mirror.view["k/1"]?.value == "restored")
        }
    }

    @Test("a restored store without changes in the range is noticed by the absence of the newest entry")
    func restorationOfAQuietRange() async throws {
        try await withBackup(checkInterval: .milliseconds(100)) { mirror, writer, proxy, backup in
            let before = mirror.view.revision
            await proxy.refuseConnections()
            await proxy.cut()
            try await backup.restore()
            // There are as many entries as before, and the revision is higher.
            for number in 1...40 { try await writer.put("other", "\(number)") }
            try await proxy.acceptConnections()
            try await eventually("the list is made anew") {
                mirror.view.map(\.value) == ["old", "old"]
            }
            #expect(mirror.view.revision > before)
        }
    }
}
