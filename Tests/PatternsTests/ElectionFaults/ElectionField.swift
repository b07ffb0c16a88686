// SPDX-License-Identifier: Apache-2.0

import EtcdPatterns
import EtcdTesting
import Testing

@testable import EtcdKit

/// A candidate with ways of its own to each member of a cluster, which can be harmed.
struct Contender: Sendable {
    let number: Int
    let client: EtcdClient
    let election: LeaderElection
    let proxies: [FaultProxy]

    func start(_ fault: ElectionField.Fault) async {
        for proxy in proxies {
            switch fault {
            case .cutOff: await proxy.stall()
            case .answersLate: await proxy.stall(.toClient)
            case .unreachable: await proxy.blackhole()
            case .slow: await proxy.delay(.milliseconds(250))
            case .reset: await proxy.reset()
            }
        }
    }

    func heal() async {
        for proxy in proxies {
            await proxy.delay(.zero)
            await proxy.resume()
        }
    }
}

/// Three members of etcd, and candidates.
struct ElectionField: Sendable {
    enum Fault: String, CaseIterable {
        case cutOff, answersLate, unreachable, slow, reset
    }

    static let timeToLive = Duration.seconds(3)
    static let name: Key = "leader"

    let cluster: EtcdCluster
    let contenders: [Contender]
    /// A candidate without faults of its own, only with those of the cluster.
    let witness: EtcdClient

    /// Lends a field to `body`.
    static func lend<Result>(_ body: (ElectionField) async throws -> Result) async throws -> Result {
        try await withEtcdCluster(EtcdCluster.Options(memberCount: 3)) { cluster in
            var contenders: [Contender] = []
            for number in 0..<3 {
                var proxies: [FaultProxy] = []
                for endpoint in cluster.endpoints { proxies.append(try await .start(to: endpoint)) }
                let client = try client(of: proxies.map(\.endpoint))
                var election = try LeaderElection(
                    "\(name)",
                    candidate: "\(number)",
                    on: .client(client, timeToLive: timeToLive)
                )
                election.backoff = Backoff(initial: .milliseconds(10), maximum: .milliseconds(200))
                // One of them takes time to drain.
                if number == 1 { election.drainTime = .milliseconds(300) }
                contenders.append(
                    Contender(number: number, client: client, election: election, proxies: proxies)
                )
            }
            let witness = try client(of: cluster.endpoints)
            let result = try await body(ElectionField(cluster: cluster, contenders: contenders, witness: witness))
            await witness.close()
            for contender in contenders {
                await contender.client.close()
                for proxy in contender.proxies { await proxy.stop() }
            }
            return result
        }
    }

    private static func client(of endpoints: [String]) throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: endpoints)
        configuration.retry.attemptTimeout = .milliseconds(500)
        configuration.watchProbeInterval = .seconds(1)
        configuration.pingTimeout = .seconds(1)
        configuration.callTimeout = .seconds(2)
        return try EtcdClient(configuration)
    }

    var leader: Contender? { contenders.first { $0.election.isLeader } }

    /// The member leads the cluster.
    func isLeader(_ member: EtcdMember) async -> Bool {
        do {
            let endpoint = try Endpoint(member.endpoint)
            return try await witness.maintenance.status(of: endpoint).isLeader
        } catch {
            // Counts as a leader: its awakening is an excuse, too.
            return true
        }
    }
}
