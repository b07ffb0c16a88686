// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdKit
@testable import EtcdTesting

/// An etcd of one member, a way to it that can be cut, and backups of it that etcd's own tools restore.
struct RestorableStore: Sendable {
    let cluster: EtcdCluster
    let proxy: FaultProxy
    /// Goes through the proxy.
    let client: EtcdClient
    /// Does not.
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
    /// - Throws: What the tool or the member says.
    func restore(growingBy growth: Int = 0) async throws {
        let peer = try await witness.cluster.list().first?.peerURLs.first ?? ""
        let data = "\(cluster.folder)/\(member.name)"
        if growth > 0 { await proxy.refuseConnections() }
        await member.kill()
        try FileManager.default.removeItem(atPath: data)
        try await Self.run([
            "snapshot", "restore", file, "--data-dir", data, "--name", member.name,
            "--initial-cluster", "\(member.name)=\(peer)", "--initial-advertise-peer-urls", peer,
            "--initial-cluster-token", String(member.name.split(separator: "-").last ?? ""),
        ])
        try await member.restart()
        for number in 0..<growth { try await witness.put("growth", "\(number)") }
        if growth > 0 { try await proxy.acceptConnections() }
    }

    /// Runs the tool that restores, of the etcd that is tested.
    private static func run(_ arguments: [String]) async throws {
        let folder = URL(fileURLWithPath: try await EtcdBinary.locate(nil).path).deletingLastPathComponent().path
        let tools = ["etcdutl", "etcdctl"].map { "\(folder)/\($0)" }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(
            fileURLWithPath: tools.first { FileManager.default.isExecutableFile(atPath: $0) } ?? "/usr/bin/etcdctl"
        )
        process.arguments = arguments
        process.environment = ["ETCDCTL_API": "3"]
        process.standardOutput = output
        process.standardError = output
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        if status != 0 {
            let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            throw EtcdTestingError(code: .startFailed, message: "restoring has failed: \(text)")
        }
    }
}
