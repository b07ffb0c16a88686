// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Registration: shared reads", .cluster, .timeLimit(.minutes(2)))
struct SharedLookTests {
    private func counting(_ client: EtcdClient, _ count: Lock<Int>) throws -> EtcdClient {
        var configuration = client.configuration
        configuration.onEvent = { event in
            guard case .callStarted(let call) = event else { return }
            if call.method.hasSuffix("/Range") || call.method.hasSuffix("/Txn") { count.withLock { $0 += 1 } }
        }
        return try EtcdClient(configuration)
    }

    @Test("many registrations of a process make few reads, and still detect a missing entry at once")
    func fewReads() async throws {
        try await withLiveClient { direct, name in
            let reads = Lock(0)
            let client = try counting(direct, reads)
            let registry = try ServiceRegistry(client, prefix: "\(name)")
            let number = 150
            var made: [Registration] = []
            for id in 0..<number {
                let instance = ServiceInstance(service: "api", id: "api-\(id)", address: "10.0.0.7", port: 80)
                made.append(try await registry.register(instance, timeToLive: .seconds(2)))
            }
            let registrations = made
            #expect(try await direct.range(.prefix(name)).count == number)
            let start = ContinuousClock.now
            reads.withLock { $0 = 0 }
            try await Task.sleep(for: .seconds(6))
            let count = reads.withLock { $0 }
            let looks = (ContinuousClock.now - start) / .seconds(2)
            print("\(count) reads in \(looks) times to live of \(number) registrations")
            #expect(Double(count) < Double(number) * looks / 4, "a quarter of the reads without sharing")
            #expect(Double(count) > looks / 2, "the control: there are reads")
            // No entry was put anew in this time.
            #expect(try await direct.range(.prefix(name)).entries.allSatisfy { $0.version == 1 })
            for id in [3, 77, 149] {
                let key = name + "/api/api-\(id)"
                let deletion = ContinuousClock.now
                try await direct.delete(key)
                try await eventually("it is there again") { try await direct.get(key) != nil }
                print("visible again after \(ContinuousClock.now - deletion)")
            }
            await withTaskGroup { group in
                for registration in registrations { group.addTask { await registration.deregister() } }
            }
            #expect(try await direct.range(.prefix(name)).entries.isEmpty)
            await client.close()
        }
    }

    @Test("each registration gets the answer for its own key, whatever the server's limit of operations is")
    func answers() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--max-txn-ops=7"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: try #require(cluster.endpoints.first)) { client in
                var revisions: [Revision] = []
                for number in 0..<60 { revisions.append(try await client.put("k/\(number)", "").header.revision) }
                for number in stride(from: 0, to: 60, by: 3) { try await client.delete("k/\(number)") }
                try await client.put("k/1", "another")
                let look = SharedLook(client)
                for _ in 0..<2 {
                    let same = try await withThrowingTaskGroup { group in
                        for (number, revision) in revisions.enumerated() {
                            group.addTask { (number, try await look.confirm("k/\(number)", at: revision) != nil) }
                        }
                        return try await group.reduce(into: Set<Int>()) { if $1.1 { $0.insert($1.0) } }
                    }
                    #expect(same == Set((0..<60).filter { $0 % 3 != 0 && $0 != 1 }))
                }
            }
        }
    }

    @Test("a key without read permission does not prevent the answers for the others")
    func permissions() async throws {
        try await withEtcdCluster { cluster in
            let root = try EtcdClient(endpoints: cluster.endpoints)
            let revision = try await root.put("good/a", "").header.revision
            for user in ["root", "reader"] {
                try await root.auth.users.add(user, password: "secret")
                try await root.auth.roles.add(user)
                try await root.auth.users.grant(role: user, to: user)
            }
            try await root.auth.roles.grant(Permission(.read, .prefix("good/")), to: "reader")
            try await root.auth.enable()
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.credentials = .user("reader", password: "secret")
            let client = try EtcdClient(configuration)
            let look = SharedLook(client)
            async let refused: Void = expectError(.permissionDenied) { try await look.confirm("bad", at: 1) }
            async let gone = look.confirm("good/b", at: revision)
            async let there = look.confirm("good/a", at: revision)
            #expect(try await gone == nil)
            #expect(try await there != nil)
            await refused
            await client.close()
            await root.close()
        }
    }
}
