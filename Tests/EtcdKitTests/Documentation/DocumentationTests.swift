// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("The documentation is true", .cluster, .timeLimit(.minutes(2)))
struct DocumentationTests {
    @Test("every Swift block of README and Docs is code that compiles here")
    func blocksCompile() throws {
        let snippets =
            try Repository.files(in: "Tests")
            .filter { $0.lastPathComponent.hasPrefix("Snippets") }.flatMap(lines)
            + Repository.files(in: "Integrations/Examples/Snippets", ending: ".swift").flatMap(lines)
        var blockCount = 0
        let pages = try Repository.files(in: "Docs", ending: ".md")
        for page in [Repository.url("README.md")] + pages {
            for block in try swiftBlocks(of: page) {
                blockCount += 1
                let code = block.filter { !$0.hasPrefix("import ") && !$0.isEmpty }
                // The only difference from a program: the address of etcd.
                let expected = code.map { $0.replacing(#""127.0.0.1:2379""#, with: "endpoints") }
                let isThere = snippets.indices.contains { snippets[$0...].starts(with: expected) }
                #expect(isThere, "\(page.lastPathComponent): \(code.first ?? "")")
            }
        }
        #expect(blockCount >= 40)
    }

    @Test("every test that Docs/Client.md names exists, and every line of its tables that has no test says \"no\"")
    func namedTestsExist() throws {
        let sources = try Repository.files(in: "Tests", ending: ".swift")
            .map { try String(contentsOf: $0, encoding: .utf8) }
        func exists(_ suite: Substring, _ test: Substring) -> Bool {
            sources.contains { source in
                (source.contains("struct \(suite) {") || source.contains("extension \(suite) {"))
                    && source.contains("    func \(test)(")
            }
        }
        #expect(!exists("DocumentationTests", "isNotThere"), "control")
        let page = try lines(of: Repository.url("Docs/Client.md"))
        var count = 0
        for line in page {
            for name in line.matches(of: /`([A-Z]\w*Tests)\.(\w+)`/) {
                count += 1
                #expect(exists(name.output.1, name.output.2), "\(name.output.0)")
            }
        }
        #expect(count >= 60)
        let rows = page.map { $0.split(separator: "|") }.filter { $0.count == 6 }
        let comparisons = rows.filter { !["---", " "].contains($0[0]) }
        #expect(comparisons.count >= 60)
        for cells in comparisons {
            #expect(cells[1].contains("Tests.") || cells[1].hasPrefix(" no ("), "\(cells[0])")
        }
    }

    @Test("the code of README runs")
    func snippetsRun() async throws {
        try await withPrivateEtcd { client, cluster in
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                try await Snippets.greeting(cluster.members[0].endpoint)
                try await Snippets.transaction(client)
                try await Snippets.lease(client) {}
                try await Snippets.ambiguity(client)
                let lease = try await client.leases.grant(timeToLive: .seconds(60))
                let endless = [
                    Task { try await Snippets.watch(client) },
                    Task { try await Snippets.resync(client, from: 1) },
                    Task { try await Snippets.leaseStates(client, lease) },
                ]
                try await eventually("the watches have begun") {
                    try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") == 2
                }
                for task in endless {
                    task.cancel()
                    await expectError(.cancelled) { try await task.value }
                }
                await (try Snippets.events()).close()
            }
        }
        try await Snippets.testing()
    }

    @Test("the code of Docs/Client.md about keys runs")
    func keySnippetsRun() async throws {
        try await withPrivateEtcd { client, cluster in
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                try await Snippets.scope(cluster.members[0].endpoint)
                try await Snippets.executor(client)
                try await Snippets.values(client)
                try await Snippets.ranges(client)
                try await Snippets.first(client)
                try await Snippets.entries(client)
                try await Snippets.writing(client)
                #expect(try await client.get("users/7") == nil)
                try await Snippets.nestedTransaction(client)
                #expect(try await client.get("audit")?.value == "on")
                try await client.put("stock", "0")
                await #expect(throws: Snippets.OutOfStock.self) { try await Snippets.atomically(client) }
                try await client.put("stock", "3")
                try await Snippets.atomically(client)
                #expect(try await client.get("stock")?.value == "2")
                try await client.put("left", "l")
                try await Snippets.atomicOptions(client)
                #expect(try await client.get("right")?.value == "l")
                try await Snippets.namespace(client)
                try await Snippets.errors(client, Lease.ID(rawValue: 1))
                await Snippets.errorsInClosure(client)
            }
        }
    }

    @Test("the code of Docs/Client.md about leases, watches and mirrors runs")
    func streamSnippetsRun() async throws {
        try await withPrivateEtcd { client, cluster in
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                try await Snippets.leases(client)
                try await Snippets.runningWatch(client)
                try await Snippets.progress(client)
                try await Snippets.mirror(client)
                try await Snippets.lock(client) {}
                try await Snippets.election(client) {}
                let endless = [
                    Task { try await Snippets.mirrorChanges(client) },
                    Task { try await Snippets.mirrorWithoutEtcd(client) },
                    Task { try await Snippets.observation(client) },
                ]
                try await eventually("the watch of the mirror has begun") {
                    try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") ?? 0 >= 1
                }
                for task in endless {
                    task.cancel()
                    await expectError(.cancelled) { try await task.value }
                }
            }
        }
    }

    @Test("the code of Docs/Client.md about members and users runs")
    func clusterSnippetsRun() async throws {
        try await withPrivateEtcd { client, cluster in
            let endpoint = try Endpoint(cluster.members[0].endpoint)
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                try await Snippets.syncedEndpoints(client)
                try await Snippets.status(client)
                try await Snippets.hashes(client)
                try await Snippets.leader(client, try #require(try await client.cluster.list().first))
                try await withTemporaryFolder { folder in
                    try await Snippets.snapshot(client, endpoint, to: "\(folder)/etcd.db")
                    #expect(try contents(of: folder) == ["etcd.db"])
                }
                try await Snippets.snapshotChunks(client, endpoint) { #expect(!$0.isEmpty) }
                let error = await #expect(throws: EtcdError.self) { try await Snippets.learner(client) }
                // At first, raft may not know the member.
                #expect([.learnerNotReady, .memberNotFound].contains(error?.code), "\(error as Any)")
                try await Snippets.members(client)
                #expect(try await client.cluster.list().count == 1)
            }
            try await Snippets.users(client, password: "w", rootPassword: "r")
            try await Snippets.credentials(cluster.members[0].endpoint, password: "w")
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .user("root", password: "r")
            try await withEtcdClient(configuration) { root in
                try await Snippets.administration(root, newPassword: "n")
            }
        }
    }

    @Test("the code of Docs/Client.md about connections and tests runs")
    func testingSnippetsRun() async throws {
        await (try Snippets.configuration()).close()
        await (try Snippets.metrics { _, _, _ in }).close()
        _ = try Snippets.namedAuthority(try TestCertificateAuthority().certificate)
        try await withEtcdCluster { try await Snippets.badNetwork($0) }
        try await withTemporaryFolder { try await Snippets.certificates($0) }
        try await Snippets.harm()
    }

    private func lines(of file: URL) throws -> [String] {
        try String(contentsOf: file, encoding: .utf8)
            .split(separator: "\n")
            .map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty }
    }

    private func swiftBlocks(of page: URL) throws -> [[String]] {
        var blocks: [[String]] = []
        var block: [String]?
        for line in try String(contentsOf: page, encoding: .utf8).split(separator: "\n") {
            if line == "```swift" {
                block = []
            } else if line.hasPrefix("```"), let finished = block {
                blocks.append(finished)
                block = nil
            } else {
                block?.append(line.trimmingCharacters(in: .whitespaces))
            }
        }
        return blocks
    }
}
