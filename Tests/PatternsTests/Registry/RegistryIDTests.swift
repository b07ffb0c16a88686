// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceInstance: ids", .live, .timeLimit(.minutes(2)))
struct RegistryIDTests {
    private let composed = "caf\u{e9}"
    private let decomposed = "cafe\u{301}"

    private func instance(_ id: String, _ port: Int) -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "10.0.0.7", port: port)
    }

    @Test("IDs that look alike, but are written with other bytes, are two instances")
    func alike() async throws {
        try #require(composed == decomposed, "the control: they are equal as texts")
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let first = try await registry.register(instance(composed, 1))
            let second = try await registry.register(instance(decomposed, 2))
            try await registry.withDiscovery(of: "api") { discovery in
                let ids = [Key(decomposed), Key(composed)]
                #expect(discovery.instances.map { Key($0.id) } == ids)
                #expect(discovery.view[composed]?.port == 1 && discovery.view[decomposed]?.port == 2)
                var events = discovery.events.makeAsyncIterator()
                for id in ids {
                    guard case .added(let added)? = try await events.next() else {
                        throw RegistryTestError(text: "event")
                    }
                    #expect(Key(added.id) == id)
                }
                await first.deregister()
                while let event = try await events.next() {
                    #expect(Key(event.instance.id) == Key(composed))
                    if case .removed = event { break }
                }
                #expect(discovery.instances.map { Key($0.id) } == [Key(decomposed)])
                // It must not become the other one.
                await expectError(.invalidArgument) { try await second.update { $0 = instance(composed, 2) } }
            }
            await second.deregister()
        }
    }

    @Test("an ID that is not UTF-8 is not an instance, and is not confused with another")
    func notText() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let keys = [[0xfe], [0xff]].map { name + "/api/" + Key(bytes: $0) }
            for key in keys { try await client.put(key, #"{"Addr":"10.0.0.1:80"}"#) }
            try await client.put(name + "/api/\u{fffd}", #"{"Addr":"10.0.0.2:80"}"#)
            try await registry.withDiscovery(of: "api") { discovery in
                for view in [discovery.view, try await registry.discover("api")] {
                    #expect(view.instances.map(\.endpoint) == ["10.0.0.2:80"])
                    #expect(view.problems.map(\.key) == keys)
                    #expect(view.problems.first?.reason == "its ID is not UTF-8")
                }
                try await client.delete(keys[0])
                try await eventually("it is not reported any more") {
                    discovery.view.problems.map(\.key) == [keys[1]]
                }
                #expect(discovery.instances.count == 1)
            }
        }
    }
}
