// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("The service in README", .cluster, .timeLimit(.minutes(2)))
struct ReadmeTests {
    @Test("registers itself, follows its configuration, and leads")
    func service() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withEtcdClient(endpoints: endpoint) { client in
                // The second time, on the store that the first run has left.
                for _ in 1...2 {
                    let service = Task { try await Snippets.service(endpoint) }
                    let registry = try ServiceRegistry(client)
                    try await eventually("it is registered") { try await registry.discover("api").instances.count == 1 }
                    let election = try LeaderElection("api/leader", candidate: "another", on: .client(client))
                    try await eventually("it leads") { try await election.leader() != nil }
                    service.cancel()
                    try await service.value
                    #expect(try await registry.discover("api").instances.isEmpty)
                    #expect(try await election.leader() == nil)
                }
            }
        }
    }
}
