// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("Snapshots", .cluster, .timeLimit(.minutes(2)))
struct SnapshotTests {
    @Test("one that is taken while others write holds exactly what was there at one revision, once it is restored")
    func restore() async throws {
        try await withTemporaryFolder { folder in
            try await withPrivateEtcd { client, cluster in
                try await client.fill(megabytes: 4)
                let writes = Lock<[Revision: (Key, Value)]>([:])
                let start = ContinuousClock.now
                let written = try await withThrowingTaskGroup(of: Void.self) { group in
                    for writer in 0..<20 {
                        group.addTask {
                            for number in 0... {
                                let (key, value) = (Key("w/\(writer)/\(number % 10)"), Value("\(number)"))
                                guard let made = try? await client.put(key, value).header.revision else { return }
                                writes.withLock { $0[made] = (key, value) }
                                if Task.isCancelled { return }
                            }
                        }
                    }
                    try await eventually("many writes have been made") { writes.withLock { $0.count } > 500 }
                    let before = writes.withLock { $0.count }
                    // A slow network makes it last while the writes go on; the proxy is no endpoint of the client's.
                    try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                        await proxy.limit(bytesPerSecond: 8 << 20, .toClient)
                        let endpoint = try Endpoint(proxy.endpoint)
                        try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/snapshot.db")
                    }
                    let during = writes.withLock { $0.count } - before
                    group.cancelAll()
                    try await group.waitForAll()
                    return during
                }
                let rate = Double(writes.withLock { $0.count }) / ((.now - start) / .seconds(1))
                #expect(written > 100, "\(written) writes during the snapshot, \(Int(rate)) a second in all")
                print("snapshot: \(written) writes meanwhile, \(Int(rate)) a second")

                try await EtcdCluster.withRestored("\(folder)/snapshot.db", in: folder) { restored in
                    let range = try await restored.range(.prefix("w/"))
                    var options = RangeOptions()
                    options.revision = range.header.revision
                    #expect(range.entries == (try await client.range(.prefix("w/"), options: options).entries))
                    // The same that its writer knows: the last write of each key up to that revision.
                    var expected: [Key: Value] = [:]
                    let made = writes.withLock { $0 }.filter { $0.key <= range.header.revision }
                    for (_, write) in made.sorted(by: { $0.key < $1.key }) { expected[write.0] = write.1 }
                    let found = Dictionary(uniqueKeysWithValues: range.entries.map { ($0.key, $0.value) })
                    #expect(found == expected && !found.isEmpty)
                    #expect(try await restored.range(.prefix("fill/")).count == 4)
                }
            }
        }
    }

    @Test("progress rises to the size of the file, which is for its owner only, and the raw parts are its bytes")
    func progress() async throws {
        try await withTemporaryFolder { folder in
            try await withPrivateEtcd { client, _ in
                try await client.fill(megabytes: 2)
                let endpoint = try #require(await client.endpoints.first)
                let path = "\(folder)/snapshot.db"
                let steps = Lock<[SnapshotProgress]>([])
                let size = try await client.maintenance.snapshot(from: endpoint, to: path) { step in
                    steps.withLock { $0.append(step) }
                }
                let file = try Data(contentsOf: URL(fileURLWithPath: path))
                #expect(try contents(of: folder) == ["snapshot.db"])
                #expect(size.bytesReceived == Int64(file.count) && size.bytesTotal == Int64(file.count))
                let seen = steps.withLock { $0 }
                #expect(seen.count > 10 && seen.last == size)
                #expect(zip(seen, seen.dropFirst()).allSatisfy { $0.bytesReceived < $1.bytesReceived })
                #expect(seen.allSatisfy { $0.bytesTotal == size.bytesTotal })
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)

                var bytes: [UInt8] = []
                for try await chunk in client.maintenance.snapshotChunks(from: endpoint) { bytes += chunk.bytes }
                #expect(bytes.count == file.count)
                #expect(bytes.count % 512 == 32)
            }
        }
    }

    @Test("a file that is there is refused, and replaced when that is wanted; so is a folder that is not there")
    func existing() async throws {
        try await withTemporaryFolder { folder in
            try await withLiveClient { client, _ in
                let endpoint = try #require(await client.endpoints.first)
                let path = "\(folder)/snapshot.db"
                try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
                await expectError(.fileExists) { try await client.maintenance.snapshot(from: endpoint, to: path) }
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
                let size = try await client.maintenance.snapshot(from: endpoint, to: path, replacing: true)
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == Int(size.bytesTotal))
                await expectError(.fileNotWritten) {
                    try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/none/snapshot.db")
                }
                #expect(try contents(of: folder) == ["snapshot.db"])
            }
        }
    }

    @Test("a file that comes to be at the target meanwhile is not replaced either")
    func existingInTheEnd() async throws {
        try await withTemporaryFolder { folder in
            try await withLiveClient { client, _ in
                let endpoint = try #require(await client.endpoints.first)
                let path = "\(folder)/snapshot.db"
                await expectError(.fileExists) {
                    try await client.maintenance.snapshot(from: endpoint, to: path) { _ in
                        try? Data("mine".utf8).write(to: URL(fileURLWithPath: path))
                    }
                }
                #expect(try contents(of: folder) == ["snapshot.db"])
                #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
            }
        }
    }

    @Test("writing is not done on the loop, even for a task that prefers to run there")
    func offTheLoop() async throws {
        try await withTemporaryFolder { folder in
            try await withLiveClient { client, _ in
                let endpoint = try #require(await client.endpoints.first)
                let isOnLoop = Lock<Set<Bool>>([])
                try await withTaskExecutorPreference(EtcdClient.executor) {
                    _ = try await client.maintenance.snapshot(from: endpoint, to: "\(folder)/s") { _ in
                        _ = isOnLoop.withLock { $0.insert(EventLoop.shared.thread.isOwner) }
                    }
                }
                #expect(isOnLoop.withLock { $0 } == [false])
            }
        }
    }

    @Test("the member sends no more than a window ahead of the reader, who gets all parts in the end")
    func backPressure() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.fill(megabytes: 12)
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                let chunks = client.maintenance.snapshotChunks(from: try Endpoint(proxy.endpoint))
                var iterator = chunks.makeAsyncIterator()
                var received = try #require(try await iterator.next()).bytes.count
                var passed = 0
                try await eventually("nothing more comes") {
                    let before = await proxy.counters.bytesToClient
                    try await Task.sleep(for: .milliseconds(200))
                    passed = await proxy.counters.bytesToClient
                    return passed == before
                }
                #expect(passed > 100_000 && passed < 3 << 20)
                while let chunk = try await iterator.next() { received += chunk.bytes.count }
                #expect(received > 12 << 20)
                try await eventually("the connection to it is closed") { await proxy.counters.openConnections == 0 }
            }
        }
    }
}
