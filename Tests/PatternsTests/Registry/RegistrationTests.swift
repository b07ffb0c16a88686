// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Registration", .cluster, .timeLimit(.minutes(2)))
struct RegistrationTests {
    private func instance(_ id: String = "api-1", port: Int = 8080) -> ServiceInstance {
        ServiceInstance(service: "api", id: id, address: "10.0.0.7", port: port)
    }

    @Test("an instance is registered as described while its scope runs")
    func scope() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            var instance = instance()
            instance.metadata = ["version": "1.0.0"]
            let described = instance
            let result = try await registry.withRegistration(of: described) { registration in
                let view = try await registry.discover("api")
                #expect(view.instances == [described] && view.available == [described])
                #expect(view.problems.isEmpty && view["api-1"] == described)
                let entry = try #require(try await client.get(name + "/api/api-1"))
                #expect(entry.lease != nil)
                if case .registered(entry.modRevision) = registration.state {} else { Issue.record("state") }
                try await registration.update { $0.weight = 5 }
                #expect(try await registry.discover("api").instances.first?.weight == 5)
                #expect(registration.instance.weight == 5)
                return 7
            }
            #expect(result == 7)
            #expect(try await registry.discover("api").instances.isEmpty)
        }
    }

    @Test("an instance deregisters once for all callers, also in cancelled tasks, and is seen draining before")
    func deregister() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance())
            try await client.withWatch(.prefix(name)) { events in
                let tasks = (0..<3).map { _ in
                    Task {
                        withUnsafeCurrentTask { $0?.cancel() }
                        await registration.deregister()
                    }
                }
                for task in tasks { await task.value }
                #expect(try await client.get(name + "/api/api-1") == nil)
                var iterator = events.makeAsyncIterator()
                let farewell = try #require(try await iterator.next())
                #expect(farewell.entry.value.description.contains("draining"))
                #expect(try await iterator.next()?.kind == .delete)
            }
            if case .deregistered = registration.state {} else { Issue.record("state") }
            var states = registration.states.makeAsyncIterator()
            #expect(await states.next() != nil)
            #expect(await states.next() == nil)
            await expectLoss(.released) { try await registration.update { $0.weight = 2 } }
        }
    }

    enum Harm: CaseIterable {
        case deleted, spoiled, unleased, leaseRevoked
    }

    @Test("an entry that others have deleted or overwritten is put again", arguments: Harm.allCases)
    func repair(harm: Harm) async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance())
            let key = name + "/api/api-1"
            let before = try #require(try await client.get(key))
            for _ in 0..<3 {
                let old = try #require(try await client.get(key))
                let start = ContinuousClock.now
                switch harm {
                case .deleted: try await client.delete(key)
                case .spoiled: try await client.put(key, "junk")
                case .unleased: try await client.put(key, before.value)
                case .leaseRevoked: try await client.leases.revoke(try #require(old.lease))
                }
                try await eventually("it is there again") {
                    let entry = try await client.get(key)
                    return entry?.value == before.value && entry?.lease != nil && entry?.modRevision != old.modRevision
                }
                print("\(harm): visible again after \(ContinuousClock.now - start)")
            }
            #expect(try await registry.discover("api").instances == [instance()])
            await registration.deregister()
            #expect(try await client.get(key) == nil)
        }
    }

    @Test("of several registrations with one ID, the last one stays; the others stop")
    func superseded() async throws {
        try await withLiveClient { client, name in
            let other = try EtcdClient(client.configuration)
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let body = Task {
                try await registry.withRegistration(of: instance()) { _ in try await Task.sleep(for: .seconds(60)) }
            }
            try await eventually("the first one is there") { try await registry.discover("api").instances.count == 1 }
            let second = try await ServiceRegistry(other, prefix: "\(name)").register(instance(port: 9090))
            await expectLoss(.superseded) { try await body.value }
            // A third one, without a scope.
            let third = try await registry.register(instance(port: 9091))
            var newest: RegistrationState?
            for await state in second.states { newest = state }
            guard case .superseded(let successor)? = newest else { throw RegistryTestError(text: "\(newest as Any)") }
            #expect(successor.port == 9091)
            await expectLoss(.superseded) { try await second.update { $0.weight = 2 } }
            await second.deregister()
            // Nobody has written since.
            let entry = try #require(try await client.get(name + "/api/api-1"))
            #expect(entry.version == 3, "\(entry.version) puts")
            #expect(try await registry.discover("api").instances == [instance(port: 9091)])
            // The last one still repairs its entry.
            try await client.delete(name + "/api/api-1")
            try await eventually("it is there again") {
                try await registry.discover("api").instances == [instance(port: 9091)]
            }
            await third.deregister()
            #expect(try await registry.discover("api").instances.isEmpty)
            await other.close()
        }
    }

    @Test("an instance that comes back after it was replaced does not take its place again")
    func returning() async throws {
        try await withLiveClient { client, name in
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                let cut = try EtcdClient(endpoints: proxy.endpoint)
                let old = try await ServiceRegistry(cut, prefix: "\(name)").register(
                    instance(),
                    timeToLive: .seconds(2)
                )
                await proxy.stall(.both)
                let key = name + "/api/api-1"
                try await eventually("the control: its lease has ended") { try await client.get(key) == nil }
                let registry = try ServiceRegistry(client, prefix: "\(name)")
                let new = try await registry.register(instance(port: 9090))
                await proxy.resume()
                await proxy.cut()
                var newest: RegistrationState?
                for await state in old.states { newest = state }
                guard case .superseded? = newest else { throw RegistryTestError(text: "\(newest as Any)") }
                #expect(try await registry.discover("api").instances == [instance(port: 9090)])
                #expect(try await client.get(key)?.version == 1)
                await new.deregister()
                await cut.close()
            }
        }
    }

    @Test("of eight registrations at the same time, one stays")
    func contention() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registrations = await withTaskGroup(of: Registration?.self) { group in
                for port in 1...8 { group.addTask { try? await registry.register(instance(port: port)) } }
                return await group.reduce(into: [Registration]()) { $0 += $1.map { [$0] } ?? [] }
            }
            #expect(!registrations.isEmpty)
            try await eventually("all but one have stopped") {
                registrations.count { $0.isLasting } == 1
            }
            let last = try #require(registrations.first { $0.isLasting })
            #expect(try await registry.discover("api").instances == [last.instance])
            for registration in registrations { await registration.deregister() }
            #expect(try await registry.discover("api").instances.isEmpty)
        }
    }

    @Test("an invalid registration is refused with the name of the invalid field")
    func refusals() async throws {
        try await withLiveClient { client, name in
            await expectError(.emptyKey) { try ServiceRegistry(client, prefix: "") }
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let good = instance()
            let bad: [(field: String, instance: ServiceInstance)] = [
                ("name of a service", ServiceInstance(service: "", id: "a", address: "h", port: 1)),
                ("name of a service", ServiceInstance(service: "a/b", id: "a", address: "h", port: 1)),
                ("id of an instance", ServiceInstance(service: "a", id: "", address: "h", port: 1)),
                ("id of an instance", ServiceInstance(service: "a", id: "b/c", address: "h", port: 1)),
                ("address", ServiceInstance(service: "a", id: "a", address: "", port: 1)),
                ("port", ServiceInstance(service: "a", id: "a", address: "h", port: 65_536)),
                ("weight", ServiceInstance(service: "a", id: "a", address: "h", port: 1, weight: 0)),
            ]
            for (field, instance) in bad {
                let error = await #expect(throws: EtcdError.self) { try await registry.register(instance) }
                #expect(error?.code == .invalidArgument && error?.message.contains(field) == true, "\(error as Any)")
            }
            await expectError(.invalidArgument) { try await registry.discover("a/b") }
            await expectError(.invalidArgument) { try await registry.discovery(of: "") }
            await expectError(.invalidArgument) { try await registry.register(good, timeToLive: .zero) }
            try await registry.withRegistration(of: good) { registration in
                await expectError(.invalidArgument) { try await registration.update { $0.port = 0 } }
                await expectError(.invalidArgument) {
                    try await registration.update {
                        $0 = ServiceInstance(service: "api", id: "other", address: "h", port: 1)
                    }
                }
                #expect(registration.instance == good)
            }
        }
    }

    @Test("a change that etcd refuses is an error, and undone; the instance stays registered")
    func refusedChange() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            try await registry.withRegistration(of: instance(), timeToLive: .seconds(2)) { registration in
                let lease = try await client.get(name + "/api/api-1")?.lease
                let error = await #expect(throws: EtcdError.self) {
                    try await registration.update { $0.zone = String(repeating: "z", count: 3_000_000) }
                }
                #expect(error?.code == .requestTooLarge)
                #expect(error?.message.contains("\"\(name)/api/api-1\" has 300") == true, "its key and its size")
                #expect(registration.instance == instance())
                try await eventually("it is registered") {
                    if case .registered = registration.state { true } else { false }
                }
                let entry = try await client.get(name + "/api/api-1")
                #expect(entry?.lease == lease && entry?.version == 1)
                try await registration.update { $0.zone = "a" }
                #expect(try await registry.discover("api").instances.first?.zone == "a")
            }
            let large = ServiceInstance(
                service: "api",
                id: "large",
                address: "h",
                port: 1,
                zone: String(repeating: "z", count: 3_000_000)
            )
            await expectError(.requestTooLarge) { try await registry.register(large) }
        }
    }

    @Test("a registration waits for etcd until it is there or the task is cancelled")
    func waiting() async throws {
        try await withLiveClient { direct, name in
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                await proxy.refuseConnections()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.callTimeout = .milliseconds(300)
                configuration.backoff.maximum = .milliseconds(100)
                let client = try EtcdClient(configuration)
                let registry = try ServiceRegistry(client, prefix: "\(name)")
                let cancelled = Task {
                    try await registry.register(instance("api-2"), initialWait: .seconds(600))
                }
                let hasReturned = Lock(false)
                let waiting = Task {
                    defer { hasReturned.withLock { $0 = true } }
                    return try await registry.register(instance(), initialWait: .seconds(Int64.max))
                }
                try await Task.sleep(for: .seconds(1))
                cancelled.cancel()
                await #expect(throws: CancellationError.self) { try await cancelled.value }
                #expect(!hasReturned.withLock { $0 }, "etcd is not there yet")
                try await proxy.acceptConnections()
                let registration = try await waiting.value
                if case .registered = registration.state {} else { Issue.record("\(registration.state)") }
                let there = try await ServiceRegistry(direct, prefix: "\(name)").discover("api")
                #expect(there.instances == [instance()])
                await registration.deregister()
                await client.close()
            }
        }
    }

    @Test("a user without write permission gets an error at once, and so does one without read permission")
    func permissions() async throws {
        try await withEtcdCluster { cluster in
            let root = try EtcdClient(endpoints: cluster.endpoints)
            for user in ["root", "reader"] {
                try await root.auth.users.add(user, password: "secret")
                try await root.auth.roles.add(user)
                try await root.auth.users.grant(role: user, to: user)
            }
            try await root.auth.roles.grant(Permission(.read, .prefix("services/")), to: "reader")
            try await root.auth.enable()
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .user("reader", password: "secret")
            let client = try EtcdClient(configuration)
            let registry = try ServiceRegistry(client)
            // If an error was waited out, this would take longer than the test may.
            let patience = Duration.seconds(600)
            await expectError(.permissionDenied) { try await registry.register(instance(), initialWait: patience) }
            #expect(try await registry.discover("api").instances.isEmpty)
            await expectError(.permissionDenied) { try await ServiceRegistry(client, prefix: "other").discover("api") }
            var settings = DiscoveryOptions()
            settings.initialWait = patience
            let options = settings
            await expectError(.permissionDenied) {
                try await ServiceRegistry(client, prefix: "other").withDiscovery(of: "api", options: options) { _ in }
            }
            await client.close()
            await root.close()
        }
    }

    @Test("a registration that is dropped ends with its lease")
    func dropped() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            _ = try await registry.register(instance(), timeToLive: .seconds(2))
            try await eventually("it is gone") { try await registry.discover("api").instances.isEmpty }
        }
    }

    @Test("an instance that fails its own check is down for all, until the check succeeds again")
    func selfCheck() async throws {
        try await withLiveClient { client, name in
            let isWell = Lock(true)
            var check = HealthCheck { _ in
                if !isWell.withLock({ $0 }) { throw RegistryTestError(text: "ill") }
            }
            check.interval = .milliseconds(20)
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            try await registry.withRegistration(of: instance(), check: check) { registration in
                #expect(try await registry.discover("api").available.count == 1)
                isWell.withLock { $0 = false }
                try await eventually("it is down") {
                    try await registry.discover("api").instances.first?.status == .down
                }
                #expect(registration.instance.status == .up)
                isWell.withLock { $0 = true }
                try await eventually("it is up") { try await registry.discover("api").available.count == 1 }
            }
        }
    }
}

struct RegistryTestError: Error {
    let text: String
}

extension Registration {
    /// Whether it goes on.
    fileprivate var isLasting: Bool {
        switch state {
        case .superseded, .deregistered: false
        default: true
        }
    }
}
