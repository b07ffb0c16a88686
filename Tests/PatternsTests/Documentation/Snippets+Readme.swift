// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Foundation

extension Snippets {
    static func service(_ endpoints: String) async throws {
        let client = try EtcdClient(endpoints: endpoints)
        let id = "api-\(ProcessInfo.processInfo.processIdentifier)"
        let registry = try ServiceRegistry(client)
        let instance = ServiceInstance(service: "api", id: id, address: "127.0.0.1", port: 8080)
        try await registry.withRegistration(of: instance) { _ in
            try await client.withConfiguration("config/api") { config in
                let election = try LeaderElection("api/leader", candidate: Value(id), on: .client(client))
                try await election.run { term in
                    while term.isHeld {
                        let interval = config.duration("interval", default: .seconds(5))
                        print(id, "leads, and there are", try await registry.discover("api").instances.count, "copies")
                        try await Task.sleep(for: interval)
                    }
                }
            }
        }
    }
}
