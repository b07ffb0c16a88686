// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Random operations, while connections break and history is compacted.
///
/// The long form: `REGISTRY_OPERATIONS=200000 swift test --filter DiscoveryPropertyTests`.
@Suite("ServiceDiscovery: equals the store", .cluster, .timeLimit(.minutes(10)))
struct DiscoveryPropertyTests {
    private static let operations =
        ProcessInfo.processInfo.environment["REGISTRY_OPERATIONS"].flatMap(Int.init) ?? 12_000

    private let isOver = Lock(false)
    private let lists = Lock(0)

    @Test("a consumer that applies the events has the instances, and each view matches its revision")
    func model() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            let writer = try EtcdClient(endpoints: endpoint)
            try await withFaultProxy(to: endpoint) { proxy in
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                configuration.onEvent = { event in
                    if case .watchResynced = event { lists.withLock { $0 += 1 } }
                }
                let client = try EtcdClient(configuration)
                let registry = try ServiceRegistry(client)
                var options = DiscoveryOptions()
                options.massLoss = nil
                try await registry.withDiscovery(of: "api", options: options) { discovery in
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        group.addTask { try await followEvents(of: discovery) }
                        group.addTask { try await compareSnapshots(of: discovery, writer) }
                        group.addTask { try await harm(proxy, writer) }
                        try await write(writer)
                        isOver.withLock { $0 = true }
                        try await writer.put("services/api/end", #"{"Addr":"h:1"}"#)
                        var counts: [Int] = []
                        for try await count in group { counts.append(count) }
                        print("\(Self.operations) operations, \(lists.withLock { $0 }) lists; \(counts)")
                        #expect(counts.allSatisfy { $0 >= 3 })
                        #expect(lists.withLock { $0 } > 0, "history was compacted while the connection was down")
                    }
                    let last = try await ServiceRegistry(writer).discover("api")
                    try await eventually("all is known here") { discovery.view.revision >= last.revision }
                    #expect(discovery.instances == last.instances)
                    #expect(discovery.view.problems == last.problems)
                }
                await client.close()
            }
            await writer.close()
        }
    }

    private func write(_ client: EtcdClient) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for number in 0..<(Self.operations / 8) {
                        let key = "services/api/\(Int.random(in: 0..<40))" as Key
                        switch Int.random(in: 0..<10) {
                        case 0..<5: try await client.put(key, #"{"Addr":"10.0.0.1:\#(number + 1)"}"#)
                        case 5..<6: try await client.put(key, "junk \(number)")
                        case 6..<9: try await client.delete(key)
                        default: try await client.delete(.between("services/api/1", "services/api/2"))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func harm(_ proxy: FaultProxy, _ client: EtcdClient) async throws -> Int {
        var round = 0
        while !isOver.withLock({ $0 }) || round < 3 {
            try await Task.sleep(for: .milliseconds(200))
            round += 1
            await proxy.refuseConnections()
            await proxy.cut()
            try await Task.sleep(for: .milliseconds(50))
            let newest = try await client.put("services/api/0", #"{"Addr":"h:\#(round + 1)"}"#).header.revision
            try await client.compact(at: newest)
            try await proxy.acceptConnections()
        }
        return round
    }

    /// Applies all events, each of which must fit the ones before; returns how many there were.
    private func followEvents(of discovery: ServiceDiscovery) async throws -> Int {
        var known: [String: ServiceInstance] = [:]
        var count = 0
        for try await event in discovery.events {
            count += 1
            let instance = event.instance
            switch event {
            case .added: if known.updateValue(instance, forKey: instance.id) != nil { Issue.record("\(event)") }
            case .updated(_, let previous):
                if known.updateValue(instance, forKey: instance.id) != previous || previous == instance {
                    Issue.record("\(event)")
                }
            case .removed: if known.removeValue(forKey: instance.id) != instance { Issue.record("\(event)") }
            case .suspected, .confirmed, .healthChanged: Issue.record("\(event)")
            }
            if count % 500 == 0 { try await Task.sleep(for: .milliseconds(100)) }
            let isLast = isOver.withLock { $0 } && known["end"] != nil
            if isLast, known.values.sorted(by: { $0.id < $1.id }) == discovery.instances { return count }
        }
        return 0
    }

    /// Compares views with the store at their revision; returns how many.
    private func compareSnapshots(of discovery: ServiceDiscovery, _ client: EtcdClient) async throws -> Int {
        var count = 0
        for try await view in discovery.views {
            var options = RangeOptions()
            options.revision = view.revision
            do throws(EtcdError) {
                let entries = try await client.range(.prefix("services/api/"), options: options).entries
                let instances = entries.compactMap { entry -> String? in
                    guard let text = entry.value.string, text.hasPrefix("{") else { return nil }
                    return "\(entry.key.description.dropFirst("services/api/".count)) \(text)"
                }
                let seen = view.instances.map { #"\#($0.id) {"Addr":"\#($0.endpoint)"}"# }
                if instances != seen { Issue.record("differs at \(view.revision): \(instances) \(seen)") }
                #expect(view.problems.count == entries.count - instances.count)
                count += 1
            } catch {
                guard error.code == .compacted else { throw error }
            }
            if view["end"] != nil, isOver.withLock({ $0 }) { return count }
            try await Task.sleep(for: .milliseconds(5))
        }
        return count
    }
}
