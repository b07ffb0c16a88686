// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("The documentation is true", .timeLimit(.minutes(1)))
struct DocumentationTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test("every Swift block of README and Docs is code that compiles here")
    func blocksCompile() throws {
        let snippets = try lines(of: Self.root.appending(path: "Tests/EtcdKitTests/Documentation/Snippets.swift"))
        let docs = try FileManager.default.contentsOfDirectory(
            at: Self.root.appending(path: "Docs"),
            includingPropertiesForKeys: nil
        )
        var blockCount = 0
        for page in [Self.root.appending(path: "README.md")] + docs where page.pathExtension == "md" {
            for block in try swiftBlocks(of: page) {
                blockCount += 1
                let code = block.filter { !$0.hasPrefix("import ") && !$0.isEmpty }
                // The one thing that differs from a program: where etcd is.
                let expected = code.map { $0.replacing(#""127.0.0.1:2379""#, with: "endpoints") }
                let isThere = snippets.indices.contains { snippets[$0...].starts(with: expected) }
                #expect(isThere, "\(page.lastPathComponent): \(code.first ?? "")")
            }
        }
        #expect(blockCount >= 5)
    }

    @Test("the code of README runs")
    func snippetsRun() async throws {
        try await withPrivateEtcd { client, cluster in
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
        try await Snippets.testing()
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
