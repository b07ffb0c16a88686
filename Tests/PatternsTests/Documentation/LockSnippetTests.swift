// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("The documentation of locks is true", .cluster, .timeLimit(.minutes(2)))
struct LockSnippetTests {
    @Test("the code of Docs/Patterns about sessions, locks, semaphores and barriers runs")
    func snippetsRun() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                // The second time, on the store that the first run has left.
                for _ in 1...2 {
                    try await Snippets.session(client)
                    let session = try await Session(client)
                    let states = Task { try await Snippets.sessionStates(session) }
                    try await Snippets.lock(client) {}
                    #expect(try await client.get("state/report") != nil)
                    try await Snippets.grant(try DistributedLock("report", on: .session(session))) {}
                    try await Snippets.readWriteLock(client)
                    try await Snippets.lockManager(session)
                    try await Snippets.semaphore(client)
                    #expect(try await client.get("licences/limit")?.value == "5")
                    try await Snippets.barrierWait(client)
                    try await Snippets.barrier(session) { try await client.put("migrated", "") }
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<3 { group.addTask { try await Snippets.doubleBarrier(session) } }
                        try await group.waitForAll()
                    }
                    await session.close()
                    try await states.value
                    let keys = try await client.range(.all).entries.map(\.key)
                    #expect(
                        keys == [
                            "balance/alice", "balance/bob", "licences/limit", "migrated", "state/report", "version",
                        ]
                    )
                }
            }
        }
    }
}
