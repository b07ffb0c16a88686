// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// On a store whose data are really restored.
@Suite("Registration: in a store that was restored from a backup", .cluster, .timeLimit(.minutes(3)))
struct RestoredRegistryTests {
    private let key = "services/api/api-1" as Key

    private func instance(_ id: String = "api-1") -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "10.0.0.7", port: 8080)
    }

    @Test(
        "an entry that the restored store has forgotten is put again, and an old entry of the backup is corrected"
    )
    func restored() async throws {
        try await RestorableStore.lend { store in
            let client = store.client
            let registry = try ServiceRegistry(client)
            let changed = try await registry.register(instance(), timeToLive: .seconds(5))
            let left = try await registry.register(instance("left"), timeToLive: .seconds(5))
            try await store.save()
            try await changed.update { $0.weight = 9 }
            await left.deregister()
            let forgotten = try await registry.register(instance("new"), timeToLive: .seconds(5))
            try await registry.withDiscovery(of: "api") { discovery in
                // Cut off, so that nothing is corrected before the check.
                await store.proxy.refuseConnections()
                await store.proxy.cut()
                try await store.restore()
                #expect(try await store.witness.get("services/api/new") == nil, "the control: it is forgotten")
                #expect(try await store.witness.get("services/api/left") != nil, "the control: it was brought back")
                try await store.proxy.acceptConnections()
                try await eventually(within: .seconds(60), "the store is correct") {
                    let instances = try await registry.discover("api").instances
                    return instances.map(\.id) == ["api-1", "new"] && instances.first?.weight == 9
                }
                try await eventually(within: .seconds(60), "the discovery is correct, too") {
                    discovery.instances.map(\.id) == ["api-1", "new"] && discovery.view.suspects.isEmpty
                }
            }
            await changed.deregister()
            await forgotten.deregister()
            #expect(try await client.range(.prefix("services/")).entries.isEmpty)
        }
    }

    @Test("an old entry is corrected also if no watch reports it, and the revision is higher than before")
    func unnoticed() async throws {
        try await RestorableStore.lend { store in
            let (client, witness) = (store.client, store.witness)
            let registration = try await ServiceRegistry(client).register(instance(), timeToLive: .seconds(20))
            try await store.save()
            try await registration.update { $0.weight = 9 }
            let known = try #require(try await witness.get(key))
            // While this process is cut off, the store is put back, and comes to higher revisions than before.
            await store.proxy.refuseConnections()
            await store.proxy.cut()
            try await store.restore()
            let old = try #require(try await witness.get(key), "the control: the old entry is back, on its lease")
            #expect(old.lease == known.lease && old.value != known.value)
            for number in 0..<20 { try await witness.put("other/\(number)", "") }
            #expect(try await witness.put("other", "").header.revision > known.modRevision)
            try await store.proxy.acceptConnections()
            try await eventually(within: .seconds(60), "the entry is corrected") {
                try await witness.get(key)?.value == known.value
            }
            await registration.deregister()
        }
    }
}
