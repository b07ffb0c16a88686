// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("The documentation of feature flags", .cluster, .timeLimit(.minutes(2)))
struct FeatureFlagSnippetTests {
    @Test("its code runs")
    func snippets() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                // The second time, on the store that the first run has left.
                for _ in 1...2 {
                    try await Snippets.flagSwitch(client)
                    try await Snippets.flagRules(client)
                    try await client.withFeatureFlags("flags") { flags in
                        #expect(Set(flags.allFlags.keys).isSuperset(of: ["new-search", "new-ui"]))
                        try await Snippets.flagVariants(flags)
                        #expect(try Snippets.savedFlags(flags).allFlags == flags.allFlags)
                        let changes = Task { try await Snippets.flagChanges(flags) }
                        changes.cancel()
                        await #expect(throws: CancellationError.self) { try await changes.value }
                    }
                }
            }
        }
    }
}
