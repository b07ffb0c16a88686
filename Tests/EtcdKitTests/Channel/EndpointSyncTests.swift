// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdTesting

/// The endpoints taken from the cluster's list of members.
@Suite("EtcdClient: endpoints from the list of members", .cluster, .timeLimit(.minutes(2)))
struct EndpointSyncTests {
    private func port(of member: EtcdMember) throws -> UInt16 {
        try #require(member.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
    }

    @Test("a client that knows one member learns of all, and goes on when the first is gone")
    func sync() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                let endpoints = try await client.syncEndpoints()
                #expect(Set(endpoints.map(\.description)) == Set(cluster.endpoints))
                await cluster.members[0].kill()
                for number in 0..<20 {
                    let value = try await client.get("k\(number)")
                    #expect(value == nil)
                }
            }
        }
    }

    @Test("the control: without it, the client is lost with its member")
    func control() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                _ = try await client.get("k")
                await cluster.members[0].kill()
                await expectError(.unavailable) { try await client.with(timeout: .seconds(1)).get("k") }
            }
        }
    }

    @Test("learners and members that have not started are left out (etcd#13853)")
    func learner() async throws {
        try await withEtcdCluster(members: 1) { cluster in
            let answer = try await LoopbackHTTP.request(
                "/v3/cluster/member/add",
                posting: #"{"peerURLs":["http://127.0.0.1:1"],"isLearner":true}"#,
                port: port(of: cluster.members[0]),
                deadline: .now + .seconds(10)
            )
            #expect(answer.status == 200, "\(answer.text)")
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                let endpoints = try await client.syncEndpoints()
                #expect(endpoints == [try Endpoint(cluster.endpoints[0])])
            }
        }
    }

    @Test("the list is read periodically if that is configured")
    func interval() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints[0])
            configuration.endpointSyncInterval = .milliseconds(50)
            configuration.callTimeout = .seconds(1)
            let log = EventLog()
            log.attach(to: &configuration)
            try await withEtcdClient(configuration) { client in
                try await eventually("all members are known") { await client.endpoints.count == 3 }
                for member in cluster.members { await member.kill() }
                try await eventually("a failure is reported") {
                    log.contains { if case .endpointSyncFailed = $0 { true } else { false } }
                }
                #expect(await client.endpoints.count >= 3)
            }
        }
    }

    @Test("unreachable addresses do not replace the working ones for good (etcd#6330)")
    func unreachable() async throws {
        let options = EtcdCluster.Options(extraArguments: ["--advertise-client-urls=http://127.0.0.1:1"])
        try await withEtcdCluster(options) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                #expect(try await client.syncEndpoints() == [try Endpoint("http://127.0.0.1:1")])
                _ = try await client.get("k")
                #expect(await client.endpoints.count == 2)
            }
        }
    }
}
