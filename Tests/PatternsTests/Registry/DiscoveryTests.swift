// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("ServiceDiscovery", .live, .timeLimit(.minutes(2)))
struct DiscoveryTests {
    private func instance(_ number: Int) -> ServiceInstance {
        ServiceInstance(service: "api", id: "api-\(number)", address: "10.0.0.\(number)", port: 80)
    }

    /// Puts instances as processes would that are dead by now, each on a lease of its own.
    private func putGhosts(_ count: Int, _ client: EtcdClient, _ name: Key) async throws -> [Lease] {
        var leases: [Lease] = []
        for number in 1...count {
            let lease = try await client.leases.grant(timeToLive: .seconds(60))
            let value = try ServiceRecord(instance: instance(number), author: ServiceRecord.Author()).encoded()
            try await client.put(name + "/api/api-\(number)", value, lease: lease.id)
            leases.append(lease)
        }
        return leases
    }

    @Test("the present instances come first, and then each change, with the reason of each removal")
    func events() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let ghosts = try await putGhosts(2, client, name)
            try await registry.withDiscovery(of: "api") { discovery in
                #expect(discovery.instances == [instance(1), instance(2)])
                var events = discovery.events.makeAsyncIterator()
                #expect(try await events.next() == .added(instance(1)))
                #expect(try await events.next() == .added(instance(2)))
                let registration = try await registry.register(instance(3))
                #expect(try await events.next() == .added(instance(3)))
                try await registration.update { $0.zone = "a" }
                var changed = instance(3)
                changed.zone = "a"
                #expect(try await events.next() == .updated(changed, previous: instance(3)))
                // A put of the same value is not an event.
                try await client.touch(name + "/api/api-1", keepingLease: true)
                try await client.leases.revoke(ghosts[1].id)
                #expect(try await events.next() == .removed(instance(2), .expired))
                await registration.deregister()
                while let event = try await events.next() {
                    guard case .removed(let gone, let reason) = event else { continue }
                    #expect(gone.id == "api-3" && reason == .deregistered)
                    break
                }
                let revision = try await client.put(name + "/other/x", "").header.revision
                let last = try await registry.discover("api")
                #expect(last.instances == discovery.instances && last.revision >= revision)
                #expect(try #require(discovery.staleness) < .seconds(60))
            }
        }
    }

    @Test("an entry of Go is an instance; an invalid entry is reported, and the others are there")
    func foreignEntries() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            try await client.put(name + "/api/1.2.3.4:80", #"{"Op":0,"Addr":"1.2.3.4:80","Metadata":"blue"}"#)
            try await client.put(name + "/api/junk", "{")
            try await client.put(name + "/api2/x", #"{"Addr":"9.9.9.9:80"}"#)
            try await registry.withRegistration(of: instance(1)) { _ in
                try await registry.withDiscovery(of: "api") { discovery in
                    let views = [discovery.view, try await registry.discover("api")]
                    for view in views {
                        #expect(view.instances.map(\.id) == ["1.2.3.4:80", "api-1"])
                        #expect(view.instances.first?.metadata == ["metadata": "blue"])
                        #expect(view.problems.map(\.key) == [name + "/api/junk"])
                        #expect(view.problems.first?.value == "{")
                    }
                    try await client.delete(name + "/api/junk")
                    try await eventually("the problem is over") { discovery.view.problems.isEmpty }
                }
            }
        }
    }

    @Test("waits for a number of instances that take requests, and can be cancelled")
    func waitUntil() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let discovery = try await registry.discovery(of: "api")
            #expect(try await discovery.waitUntilAvailable(atLeast: 0).instances.isEmpty)
            let waiter = Task { try await discovery.waitUntilAvailable(atLeast: 2) }
            let cancelled = Task { try await discovery.waitUntilAvailable(atLeast: 100) }
            let first = try await registry.register(instance(1))
            let second = try await registry.register(instance(2))
            #expect(try await waiter.value.available == [instance(1), instance(2)])
            cancelled.cancel()
            await #expect(throws: CancellationError.self) { try await cancelled.value }
            await first.deregister()
            await second.deregister()
            await discovery.close()
            await expectError(.cancelled) { try await discovery.waitUntilAvailable(atLeast: 100) }
            await expectError(.cancelled) { for try await _ in discovery.views {} }
        }
    }

    @Test("a mass loss of live instances empties no pool, and the instances register again")
    func massLossOfTheLiving() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let other = try EtcdClient(client.configuration)
            let registrations = try await register(6, in: try ServiceRegistry(other, prefix: "\(name)"))
            try await registry.withDiscovery(of: "api") { discovery in
                let minimum = Lock(6)
                let observer = Task {
                    for try await view in discovery.views {
                        minimum.withLock { $0 = min($0, view.available.count) }
                    }
                }
                let entries = try await client.range(.prefix(name)).entries
                // In one transaction, as a restored store has it.
                try await client.delete(.prefix(name))
                try await eventually("all are registered again") {
                    let now = try await client.range(.prefix(name)).entries
                    return now.count == 6 && now.allSatisfy { $0.createRevision > entries[0].createRevision }
                }
                try await eventually("and confirmed") {
                    discovery.instances.count == 6 && discovery.view.suspects.isEmpty
                }
                observer.cancel()
                await #expect(throws: CancellationError.self) { try await observer.value }
                #expect(minimum.withLock { $0 } == 6)
            }
            for registration in registrations { await registration.deregister() }
            await other.close()
        }
    }

    private func register(_ count: Int, in registry: ServiceRegistry) async throws -> [Registration] {
        var registrations: [Registration] = []
        for number in 1...count { registrations.append(try await registry.register(instance(number))) }
        return registrations
    }

    @Test("dead instances of a mass loss are kept for a limited time; the control: without protection, they are not")
    func massLossOfTheDead() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let ghosts = try await putGhosts(5, client, name)
            var options = DiscoveryOptions()
            options.massLoss?.grace = .seconds(2)
            options.massLoss?.window = .seconds(60)
            var trusting = DiscoveryOptions()
            trusting.massLoss = nil
            let control = try await registry.discovery(of: "api", options: trusting)
            try await registry.withDiscovery(of: "api", options: options) { discovery in
                try await client.leases.revoke(ghosts[0].id)
                try await eventually("one alone is removed") { discovery.instances.count == 4 }
                #expect(discovery.view.suspects.isEmpty)
                // One after the other, as the lessor of etcd does it.
                for ghost in ghosts.dropFirst() { try await client.leases.revoke(ghost.id) }
                try await eventually("all are suspects") { discovery.view.suspects.count == 5 }
                #expect(discovery.view.available.count == 5)
                try await eventually("the control believes it") { control.instances.isEmpty }
                try await eventually("their time is over") { discovery.instances.isEmpty }
            }
            await control.close()
        }
    }

    @Test("a slow consumer ends with exactly the present instances")
    func slowConsumer() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            var options = DiscoveryOptions()
            options.massLoss = nil
            try await registry.withDiscovery(of: "api", options: options) { discovery in
                var events = discovery.events.makeAsyncIterator()
                var known: [String: ServiceInstance] = [:]
                let first = try await putGhosts(1, client, name)
                if let event = try await events.next() { apply(event, to: &known) }
                for round in 0..<300 {
                    let key = name + "/api/api-\(round % 7)"
                    if round % 3 == 0 {
                        try await client.delete(key)
                    } else {
                        try await client.put(key, #"{"Addr":"10.0.0.1:\#(1000 + round)"}"#)
                    }
                }
                let last = try await client.put(name + "/api/last", #"{"Addr":"10.0.0.1:1"}"#)
                try await eventually("all is known here") { discovery.view.revision >= last.header.revision }
                var count = 0
                while known["last"] == nil, let event = try await events.next() {
                    apply(event, to: &known)
                    count += 1
                }
                // The rest of the last difference.
                while known.values.sorted(by: { $0.id < $1.id }) != discovery.instances, count < 100,
                    let event = try await events.next()
                {
                    apply(event, to: &known)
                    count += 1
                }
                #expect(known.values.sorted { $0.id < $1.id } == discovery.instances)
                #expect(count <= 15, "\(count) events for who has slept")
                try await client.leases.revoke(first[0].id)
            }
        }
    }

    private func apply(_ event: ServiceEvent, to known: inout [String: ServiceInstance]) {
        if case .removed(let instance, _) = event {
            known[instance.id] = nil
        } else {
            known[event.instance.id] = event.instance
        }
    }
}
