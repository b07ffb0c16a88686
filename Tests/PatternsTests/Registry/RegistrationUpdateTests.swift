// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Registration: changes", .cluster, .timeLimit(.minutes(2)))
struct RegistrationUpdateTests {
    private let instance = ServiceInstance(service: "api", id: "api-1", address: "10.0.0.7", port: 8080)
    private static let tooLarge = String(repeating: "z", count: 3_000_000)

    @Test(
        "of changes at the same time, each gets its own outcome, and those that etcd refuses are undone"
    )
    func overlapping() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            for round in 0..<5 {
                await withTaskGroup { group in
                    for number in 0..<6 {
                        group.addTask {
                            if number % 2 == 0 {
                                await expectError(.requestTooLarge) {
                                    try await registration.update { $0.metadata["bad\(number)"] = Self.tooLarge }
                                }
                            } else {
                                await #expect(throws: Never.self) {
                                    try await registration.update { $0.metadata["good\(number)"] = "\(round)" }
                                }
                            }
                        }
                    }
                }
                var expected = instance
                expected.metadata = ["good1": "\(round)", "good3": "\(round)", "good5": "\(round)"]
                #expect(registration.instance == expected)
                #expect(try await registry.discover("api").instances == [expected])
                try await eventually("it is registered") {
                    if case .registered = registration.state { true } else { false }
                }
            }
            await registration.deregister()
        }
    }

    @Test("a change that was given up, and is refused later, does not harm one that comes after it")
    func givenUp() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let registration = try await ServiceRegistry(client).register(instance, timeToLive: .seconds(60))
            await proxy.stall(.both)
            let bad = Task { try await registration.update { $0.zone = Self.tooLarge } }
            try await eventually("it is wanted") { registration.instance.zone != nil }
            bad.cancel()
            await #expect(throws: CancellationError.self) { try await bad.value }
            let good = Task { try await registration.update { $0.weight = 7 } }
            try await eventually("both are wanted") { registration.instance.weight == 7 }
            #expect(registration.instance.zone != nil, "the control")
            await proxy.resume()
            await proxy.cut()
            try await good.value
            var expected = instance
            expected.weight = 7
            #expect(registration.instance == expected)
            let record = try ServiceRecord(
                try #require(try await witness.get("services/api/api-1")).value,
                under: "services/api/api-1",
                service: "api",
                id: "api-1"
            )
            #expect(record.instance == expected)
            await registration.deregister()
        }
    }

    @Test("a change that is under way when the registration ends is told so")
    func endDuringUpdate() async throws {
        try await withProxiedEtcd { proxy, client, _ in
            let registration = try await ServiceRegistry(client).register(instance, timeToLive: .seconds(5))
            await proxy.stall()
            let change = Task { try await registration.update { $0.weight = 7 } }
            try await eventually("it is wanted") { registration.instance.weight == 7 }
            await registration.deregister(timeout: .milliseconds(100))
            await #expect(throws: CoordinationLoss.self) { try await change.value }
        }
    }

    @Test("of changes at the same time none is lost, and each waits for its own")
    func manyChanges() async throws {
        try await withLiveClient { client, name in
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let registration = try await registry.register(instance)
            await withTaskGroup { group in
                for number in 0..<40 {
                    group.addTask {
                        await #expect(throws: Never.self) {
                            try await registration.update { $0.metadata["\(number)"] = "" }
                            let seen = try await registry.discover("api").instances.first
                            #expect(seen?.metadata["\(number)"] != nil)
                        }
                    }
                }
            }
            #expect(registration.instance.metadata.count == 40)
            await registration.deregister()
            await expectLoss(.released) { try await registration.update { $0.weight = 2 } }
        }
    }
}
