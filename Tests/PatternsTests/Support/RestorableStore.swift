// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit
@testable import EtcdTesting

/// An etcd of one member behind a proxy, and backups of it that etcd's own tools restore.
struct RestorableStore: Sendable {
    let cluster: EtcdCluster
    let proxy: FaultProxy
    /// A client that connects through the proxy.
    let client: EtcdClient
    /// A client that connects directly.
    let witness: EtcdClient

    private var member: EtcdMember { cluster.members[0] }
    private var file: String { "\(cluster.folder)/backup.db" }

    /// Lends a store to `body`.
    static func lend(
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: (RestorableStore) async throws -> Void
    ) async throws {
        try await withEtcdCluster { cluster in
            try await withFaultProxy(to: cluster.endpoints[0]) { proxy in
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configure(&configuration)
                try await withEtcdClient(configuration) { client in
                    try await withEtcdClient(endpoints: cluster.endpoints[0]) { witness in
                        try await body(
                            RestorableStore(cluster: cluster, proxy: proxy, client: client, witness: witness)
                        )
                    }
                }
            }
        }
    }

    /// Saves the store as it is.
    func save() async throws {
        try await witness.maintenance.snapshot(from: Endpoint(member.endpoint), to: file, replacing: true)
    }

    /// Kills the member, restores what was saved, under the same identity, and starts the member again.
    ///
    /// - Parameter growth: How many revisions the restored store gets before the client can reach it.
    /// - Throws: The message of the tool or the member.
    func restore(growingBy growth: Int = 0) async throws {
        let peer = try await witness.cluster.list().first?.peerURLs.first ?? ""
        let data = "\(cluster.folder)/\(member.name)"
        if growth > 0 { await proxy.refuseConnections() }
        await member.kill()
        try FileManager.default.removeItem(atPath: data)
        let identity = [
            "--name", member.name, "--initial-cluster", "\(member.name)=\(peer)", "--initial-advertise-peer-urls", peer,
            "--initial-cluster-token", String(member.name.split(separator: "-").last ?? ""),
        ]
        try await EtcdBinary.restore(file, to: data, identity)
        try await member.restart()
        for number in 0..<growth { try await witness.put("growth", "\(number)") }
        if growth > 0 { try await proxy.acceptConnections() }
    }
}
