// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

@Suite("EtcdClient: life cycle", .cluster, .timeLimit(.minutes(1)))
struct EtcdClientTests {
    // MARK: The end

    @Test("a scope closes its client when its body returns, and when it throws")
    func scope() async throws {
        struct Failure: Error {}
        try await withPrivateEtcd { _, cluster in
            var escaped: [EtcdClient] = []
            let result = try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                escaped.append(client)
                return try await client.put("k", "1").header.revision
            }
            #expect(result > 0)
            await #expect(throws: Failure.self) {
                try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                    escaped.append(client.with(timeout: .seconds(1)))
                    throw Failure()
                }
            }
            #expect(escaped.count == 2)
            for client in escaped {
                await expectError(.clientClosed) { try await client.get("k") }
                await expectError(.clientClosed) { try await client.put("k", "2") }
                await client.close()
            }
        }
    }

    @Test("closing a client ends its calls in flight at once, and their errors say that writes may have happened")
    func closeInFlight() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            await cluster.members[0].freeze()
            let reads = (0..<20).map { _ in Task { try await client.get("k") } }
            let writes = (0..<20).map { _ in Task { try await client.put("k", "2") } }
            try await eventually("all are on their way") { await client.openStreamCount == 40 }
            let start = ContinuousClock.now
            await client.close()
            for read in reads { await expectError(.clientClosed) { try await read.value } }
            for write in writes { await expectError(.ambiguous) { try await write.value } }
            #expect(ContinuousClock.now - start < .seconds(5), "half the time that the calls have")
        }
    }

    @Test("a client that is closed or dropped leaves no descriptor open", .enabled(if: ProcessFigures.areAvailable))
    func descriptors() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            // The first sleep of a process opens one for its timers.
            try await Task.sleep(for: .milliseconds(1))
            let before = ProcessFigures.socketCount
            for _ in 0..<10 {
                _ = try await withEtcdClient(endpoints: cluster.endpoints[0]) { try await $0.put("k", "1") }
            }
            try await eventually("closed clients are gone") { ProcessFigures.socketCount == before }
            do {
                let dropped = try (0..<10).map { _ in try EtcdClient(endpoints: cluster.endpoints[0]) }
                for client in dropped { try await client.put("k", "1") }
                #expect(ProcessFigures.socketCount == before + 10)
            }
            try await eventually("dropped clients are gone") { ProcessFigures.socketCount == before }
        }
    }

    // MARK: Faults

    @Test("a client finds the endpoint that works, wherever it stands in the list")
    func deadEndpoint() async throws {
        try await withPrivateEtcd { _, cluster in
            // The port of a server that has ended.
            let dead = try await withEtcdCluster { $0.endpoints[0] }
            for endpoints in [[dead, cluster.endpoints[0]], [cluster.endpoints[0], dead]] {
                try await withEtcdClient(endpoints: endpoints.joined(separator: ",")) { client in
                    try await client.put("k", "1")
                    #expect(try await client.get("k")?.value == "1")
                }
            }
            try await withEtcdClient(endpoints: dead) { client in
                let hasty = client.with(timeout: .milliseconds(300))
                await expectError(.unavailable) { try await hasty.get("k") }
                await expectError(.unavailable) { try await hasty.put("k", "1") }
            }
        }
    }

    @Test("a call to a server that does not answer ends at its deadline")
    func deadline() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            await cluster.members[0].freeze()
            let hasty = client.with(timeout: .milliseconds(200))
            let start = ContinuousClock.now
            await expectError(.deadlineExceeded) { try await hasty.get("k") }
            await expectError(.ambiguous) { try await hasty.put("k", "2") }
            #expect(ContinuousClock.now - start < .seconds(5))
            cluster.members[0].thaw()
            #expect(try await client.get("k") != nil)
        }
    }

    @Test("a restarted server is found again, and no write is lost or done twice without an error")
    func restart() async throws {
        try await withPrivateEtcd { client, cluster in
            try await client.put("k", "1")
            let writer = Task {
                var (acknowledged, ambiguous) = (Int64(1), Int64(0))
                while !Task.isCancelled {
                    do throws(EtcdError) {
                        try await client.with(timeout: .seconds(2)).put("k", "1")
                        acknowledged += 1
                    } catch  where error.code == .ambiguous {
                        ambiguous += 1
                    } catch {
                        // Cancelled at the end, when the put may be under way.
                        if error.code == .cancelled { ambiguous += 1 } else { #expect(error.code == .unavailable) }
                    }
                }
                return (acknowledged, ambiguous)
            }
            for _ in 0..<2 {
                let before = try #require(try await client.get("k")).version
                try await eventually("puts go on") { try await client.get("k")?.version ?? 0 > before + 20 }
                await cluster.members[0].kill()
                try await cluster.members[0].restart()
            }
            let before = try #require(try await client.get("k")).version
            try await eventually("puts go on") { try await client.get("k")?.version ?? 0 > before + 20 }
            writer.cancel()
            let (acknowledged, ambiguous) = await writer.value
            let version = try #require(try await client.get("k")).version
            #expect((acknowledged...(acknowledged + ambiguous)).contains(version), "\(acknowledged) + \(ambiguous)")
            #expect(ambiguous <= 3, "one for each restart, and the cancelled one")
        }
    }
}
