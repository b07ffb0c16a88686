// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Random operations, while the mirror's connection breaks and history is compacted.
@Suite("KeyMirror: equals the store", .slow, .serialized, .timeLimit(.minutes(5)))
struct MirrorPropertyTests {
    private static let operations = TestScale.pick(10_000, long: 40_000)
    private static let range = KeyRange.prefix("k/")

    /// The counts of comparisons and of events.
    private struct Tally {
        var operations = 0
        var isOver = false
        /// Views that were compared with the store at their revision.
        var compared: Set<Revision> = []
        /// Views whose revision was compacted before they could be.
        var compacted = 0
        var differences = 0
        var changes = 0
    }

    private let tally = Lock(Tally())

    @Test("at every revision that is compared, through cuts, compactions and leases that end")
    func property() async throws {
        try await withPrivateEtcd { writer, cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let log = EventLog()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                log.attach(to: &configuration)
                try await withEtcdClient(configuration) { client in
                    var options = MirrorOptions()
                    options.checkInterval = .milliseconds(500)
                    options.maximumPendingChanges = 200
                    try await client.withMirror(of: Self.range, options: options) { mirror in
                        try await withThrowingTaskGroup(of: Void.self) { group in
                            group.addTask { try await compareViews(of: mirror, with: writer) }
                            group.addTask { try await followChanges(of: mirror) }
                            group.addTask { try await harm(proxy, writer) }
                            try await write(writer)
                            tally.withLock { $0.isOver = true }
                            try await writer.put("k/end", "end")
                            try await group.waitForAll()
                        }
                        let last = try await mirror.consistentView()
                        #expect(try await Array(last) == read(writer, at: last.revision))
                    }
                }
                let (cuts, lists) = (log.resumptions.count, log.resyncs.count)
                let seen = tally.withLock { $0 }
                print(
                    "\(seen.operations) operations, \(cuts) resumptions, \(lists) lists, \(seen.compared.count) views",
                    "compared (\(seen.compacted) compacted), \(seen.changes) changes, \(seen.differences) differences"
                )
                #expect(seen.operations >= Self.operations)
                #expect(seen.compared.count > Self.operations / 500)
                #expect(cuts > 0 && lists > 0)
                // The first, and one for each list at least.
                #expect(seen.differences > 1)
            }
        }
    }

    private func read(_ client: EtcdClient, at revision: Revision) async throws -> [KeyValue] {
        var options = RangeOptions()
        options.revision = revision
        return try await client.range(Self.range, options: options).entries
    }

    // MARK: The writers

    private func write(_ client: EtcdClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<16 {
                group.addTask {
                    var random = SplitMix64(seed: UInt64(seed))
                    var lease: Lease?
                    for number in 0..<(Self.operations / 16 + 1) {
                        if number % 200 == 0 { lease = try await client.leases.grant(timeToLive: .seconds(1)) }
                        try await operate(client, lease, &random)
                        tally.withLock { $0.operations += 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func operate(_ client: EtcdClient, _ lease: Lease?, _ random: inout SplitMix64) async throws {
        let number = Int.random(in: 0..<200, using: &random)
        let key = "k/\(number)" as Key
        let value = Value("\(random.next())")
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<50: try await client.put(key, value)
        case 50..<70: try await client.delete(key)
        case 70..<90:
            try await client.transaction(then: [
                .put(key, value), .put("k/\(number + 200)" as Key, value), .delete("k/\(number + 201)" as Key),
            ])
        case 90..<95: try await client.put("other/\(number)" as Key, value)
        default:
            // The lease may have ended.
            _ = try? await client.put(key, value, lease: lease?.id)
        }
    }

    // MARK: The faults

    private func harm(_ proxy: FaultProxy, _ client: EtcdClient) async throws {
        var round = 0
        while !tally.withLock(\.isOver) {
            try await Task.sleep(for: .milliseconds(400))
            round += 1
            await proxy.cut()
            guard round % 2 == 0 else { continue }
            await proxy.refuseConnections()
            await proxy.cut()
            try await Task.sleep(for: .milliseconds(100))
            let newest = try await client.put("other", "x").header.revision
            // No test of this suite compacts at the same time.
            try await client.compact(at: newest)
            try await proxy.acceptConnections()
        }
    }

    // MARK: The readers

    private func compareViews(of mirror: KeyMirror, with client: EtcdClient) async throws {
        for try await view in mirror.views {
            do {
                let entries = try await read(client, at: view.revision)
                if entries != Array(view) { Issue.record("the mirror differs at revision \(view.revision)") }
                tally.withLock { _ = $0.compared.insert(view.revision) }
            } catch let error as EtcdError {
                guard error.code == .compacted else { throw error }
                tally.withLock { $0.compacted += 1 }
            }
            if view["k/end"] != nil { return }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private func followChanges(of mirror: KeyMirror) async throws {
        var replica: [Key: KeyValue] = [:]
        var revision: Revision = -1
        for try await change in mirror.changes {
            #expect(change.revision > revision)
            revision = change.revision
            for entry in change.deletions {
                if replica.removeValue(forKey: entry.key) != entry { Issue.record("deletion of \(entry.key)") }
            }
            for put in change.puts {
                if replica.updateValue(put.entry, forKey: put.entry.key) != put.previous {
                    Issue.record("put of \(put.entry.key)")
                }
            }
            tally.withLock {
                $0.changes += 1
                $0.differences += change.isDifference ? 1 : 0
            }
            if change.puts.contains(where: { $0.entry.key == "k/end" }) { break }
            // Slow at times.
            if revision.rawValue % 1000 == 0 { try await Task.sleep(for: .milliseconds(200)) }
        }
        let view = try await mirror.consistentView()
        // Only the keys that leases have taken since may be different.
        let entries = replica.values.sorted { $0.key < $1.key }
        #expect(entries.filter { view[$0.key] != nil } == Array(view))
        #expect(entries.allSatisfy { view[$0.key] != nil || $0.lease != nil })
    }
}
