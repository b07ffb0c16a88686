// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The code of the chapters on configuration runs", .cluster, .timeLimit(.minutes(2)))
struct ConfigurationSnippetTests {
    @Test("the chapter on configuration")
    func configuration() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                // The second time, on the store that the first run has left.
                for round in 1...2 {
                    try await Snippets.configuration(client)
                    let config = try await ConfigManager("config/app", client: client)
                    try await Snippets.configEdits(config)
                    #expect(config["api/limit"] == "\(100 << round)")
                    #expect(config["database/standby"] == "localhost")
                    let followers = [
                        Task { await Snippets.configChanges(config) },
                        Task { await Snippets.configViews(config) { _ in } },
                    ]
                    try await config.set("api/timeout", 5)
                    await config.close()
                    for follower in followers { await follower.value }
                    let validated = Task { try await Snippets.validatedConfiguration(client) }
                    validated.cancel()
                    _ = try? await validated.value
                }
            }
        }
    }

    @Test("the chapter on snapshots")
    func snapshots() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                try await client.withConfiguration("config/app") { config in
                    // The second time, on the store that the first run has left.
                    for round in 1...2 {
                        try await config.set("database/host", "here")
                        try await Snippets.snapshots(config)
                        #expect(config["database/host"] == "here")
                        if round > 1 { try await SnapshotManager(config).delete("release-12") }
                        try await Snippets.replacement(client)
                        try await eventually("the values are there") { config["database/port"] == "5432" }
                        try await Snippets.configRepair(client)
                    }
                }
            }
        }
    }
}
