// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Registration: outlives its store", .cluster, .timeLimit(.minutes(2)))
struct RegistrationFaultTests {
    enum Outage: CaseIterable {
        /// The store is there again as it was.
        case kept
        /// The store has begun anew, with nothing in it.
        case wiped
        /// The same at once, so that no lease has run out for want of renewals.
        case wipedQuickly
    }

    /// How soon an instance is visible again once etcd is ready, as the documentation promises.
    private func promise(_ outage: Outage, _ client: EtcdClient, timeToLive: Duration) -> Duration {
        let connected = client.configuration.backoff.maximum * 1.2
        // A lease that has not run out is renewed, and found to be gone, within a third of its time.
        return outage == .wipedQuickly ? connected + timeToLive / 3 : connected
    }

    @Test(
        "a registration is visible again in the documented time after an outage, and in a store that was wiped",
        arguments: Outage.allCases
    )
    func outage(_ outage: Outage) async throws {
        try await withEtcdCluster { cluster in
            let member = try #require(cluster.members.first)
            let client = try EtcdClient(endpoints: cluster.endpoints)
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)
            let registration = try await registry.register(instance, timeToLive: .seconds(2))
            let key = "services/api/api-1" as Key
            let before = try #require(try await client.get(key))
            let discovery = try await registry.discovery(of: "api")
            await member.kill()
            if outage != .wipedQuickly {
                try await eventually("the lease is lost") {
                    if case .degraded(let cause) = registration.state {
                        #expect(cause is CoordinationLoss, "\(cause)")
                        return true
                    }
                    return false
                }
                try await Task.sleep(for: .seconds(4))
            }
            if outage != .kept {
                try FileManager.default.removeItem(atPath: "\(cluster.folder)/\(member.name)")
            }
            try await member.restart()
            let returned = ContinuousClock.now
            // Seen by a client of its own.
            let other = try EtcdClient(endpoints: cluster.endpoints)
            try await eventually(within: .seconds(60), "it is registered anew") {
                let entry = try await other.get(key)
                return entry != nil && entry?.lease != before.lease
            }
            let time = ContinuousClock.now - returned
            // A busy machine needs a few seconds of its own.
            let promise = promise(outage, client, timeToLive: .seconds(2))
            #expect(time < promise + .seconds(4), "\(outage): \(time) after etcd was ready; promised are \(promise)")
            #expect(try await other.get(key)?.value == before.value)
            try await eventually("a state reports it") {
                if case .registered = registration.state { true } else { false }
            }
            // A discovery has it, too, in the new history.
            try await registration.update { $0.weight = 9 }
            // The discovery checks for such a store from time to time.
            try await eventually("the discovery goes on") {
                discovery.instances.first?.weight == 9 && discovery.view.suspects.isEmpty
            }
            await discovery.close()
            await registration.deregister()
            #expect(try await other.get(key) == nil)
            await client.close()
            await other.close()
        }
    }

    @Test("an instance stays when its connection is cut now and then; the control: without renewals it would not")
    func cuts() async throws {
        try await withLiveClient { direct, name in
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                let client = try EtcdClient(endpoints: proxy.endpoint)
                let registry = try ServiceRegistry(client, prefix: "\(name)")
                let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)
                let registration = try await registry.register(instance, timeToLive: .seconds(2))
                for _ in 0..<10 {
                    await proxy.cut()
                    try await Task.sleep(for: .milliseconds(300))
                    #expect(try await direct.get(name + "/api/api-1") != nil)
                }
                #expect(try await direct.get(name + "/api/api-1")?.version == 1)
                await proxy.stall()
                try await eventually("the control") { try await direct.get(name + "/api/api-1") == nil }
                await proxy.resume()
                await proxy.cut()
                try await eventually("it is back") { try await direct.get(name + "/api/api-1") != nil }
                await registration.deregister()
                await client.close()
            }
        }
    }

    @Test("an etcd that refuses every lease is asked less and less often")
    func refusedLeases() async throws {
        try await withAuthenticatingEtcd([]) { _, worker in
            let grants = Lock(0)
            var configuration = worker.configuration
            configuration.credentials = .user("worker", password: "wrong")
            configuration.backoff = Backoff(initial: .milliseconds(10), maximum: .seconds(60), multiplier: 2, jitter: 0)
            configuration.onEvent = { event in
                if case .callStarted(let call) = event, call.method.hasSuffix("LeaseGrant") {
                    grants.withLock { $0 += 1 }
                }
            }
            let client = try EtcdClient(configuration)
            let registry = try ServiceRegistry(client)
            let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)
            let registration = try await registry.register(instance, initialWait: .zero)
            try await Task.sleep(for: .seconds(2))
            let count = grants.withLock { $0 }
            await registration.deregister()
            await client.close()
            // After pauses of 10, 20, 40 ms and so on; without growth, there would be 200.
            #expect((2...10).contains(count), "\(count) attempts in 2 s")
        }
    }
}
