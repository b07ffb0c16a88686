// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Against a store whose data are really put back.
@Suite("Registrations in a store that was restored from a backup", .timeLimit(.minutes(3)))
struct RestoredRegistryTests {
    private let key = "services/api/api-1" as Key

    private func instance(_ id: String = "api-1") -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "10.0.0.7", port: 8080)
    }

    private func folder(of cluster: EtcdCluster) throws -> URL {
        URL(fileURLWithPath: cluster.folder).appending(path: try #require(cluster.members.first).name)
    }

    private func backUp(_ cluster: EtcdCluster) async throws -> URL {
        let member = try #require(cluster.members.first)
        let copy = URL(fileURLWithPath: cluster.folder).appending(path: "backup")
        await member.stop()
        try FileManager.default.copyItem(at: folder(of: cluster), to: copy)
        try await member.restart()
        return copy
    }

    private func restore(_ cluster: EtcdCluster, from backup: URL) async throws {
        let member = try #require(cluster.members.first)
        await member.kill()
        try FileManager.default.removeItem(at: folder(of: cluster))
        try FileManager.default.moveItem(at: backup, to: folder(of: cluster))
        try await member.restart()
    }

    @Test(
        "an entry that the restored store has forgotten is put again, and one that it brought back is made as it should be"
    )
    func restored() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                let registry = try ServiceRegistry(client)
                let changed = try await registry.register(instance(), timeToLive: .seconds(5))
                let left = try await registry.register(instance("left"), timeToLive: .seconds(5))
                let backup = try await backUp(cluster)
                try await changed.update { $0.weight = 9 }
                await left.deregister()
                let forgotten = try await registry.register(instance("new"), timeToLive: .seconds(5))
                try await registry.withDiscovery(of: "api") { discovery in
                    try await restore(cluster, from: backup)
                    #expect(try await client.get("services/api/new") == nil, "the control: the store has forgotten it")
                    try await eventually(within: .seconds(60), "the store is as it should be") {
                        let instances = try await registry.discover("api").instances
                        return instances.map(\.id) == ["api-1", "new"] && instances.first?.weight == 9
                    }
                    try await eventually(within: .seconds(60), "and the discovery, too") {
                        discovery.instances.map(\.id) == ["api-1", "new"] && discovery.snapshot.suspects.isEmpty
                    }
                }
                await changed.deregister()
                await forgotten.deregister()
                #expect(try await client.range(.prefix("services/")).entries.isEmpty)
            }
        }
    }

    @Test("an old entry is put right also where no watch tells of it, and the revision is higher than before")
    func unnoticed() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                let (client, witness) = (try EtcdClient(endpoints: proxy.endpoint), try EtcdClient(endpoints: endpoint))
                let registration = try await ServiceRegistry(client).register(instance(), timeToLive: .seconds(20))
                let backup = try await backUp(cluster)
                try await registration.update { $0.weight = 9 }
                let known = try #require(try await witness.get(key))
                // While this process is cut off, the store is put back, and comes to higher revisions than before.
                await proxy.refuseConnections()
                await proxy.cut()
                try await restore(cluster, from: backup)
                let old = try #require(try await witness.get(key), "the control: the old entry is back, on its lease")
                #expect(old.lease == known.lease && old.value != known.value)
                for number in 0..<20 { try await witness.put("other/\(number)", "") }
                #expect(try await witness.put("other", "").header.revision > known.modRevision)
                try await proxy.acceptConnections()
                try await eventually(within: .seconds(60), "the entry is as it should be") {
                    try await witness.get(key)?.value == known.value
                }
                await registration.deregister()
                await client.close()
                await witness.close()
            }
        }
    }
}
