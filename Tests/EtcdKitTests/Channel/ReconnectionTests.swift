// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// A client that begins while its etcd is down finds it when it is up, whatever kind of endpoint it has.
@Suite("EtcdClient: etcd down, then up", .cluster, .serialized, .timeLimit(.minutes(2)))
struct ReconnectionTests {
    enum Kind: String, CaseIterable {
        case ipv4, ipv6, name, unix, tls, unixs

        var isSecure: Bool { [.tls, .unixs].contains(self) }
    }

    /// In the form that etcd 3.4 asks for.
    private let socketName = "etcdkit-\(UInt32.random(in: .min ... .max)):1"

    private static let freeIPv6Port = try? Socket.listening(
        on: Platform.addresses(of: "::1", port: 0, numeric: true).get()[0]
    ).localPort()

    @Test("the first attempts fail and later ones succeed, at the start and after an outage", arguments: Kind.allCases)
    func downThenUp(kind: Kind) async throws {
        defer { try? FileManager.default.removeItem(atPath: socketName) }
        var options = EtcdCluster.Options()
        switch kind {
        case .ipv6:
            // Where there is no IPv6, there is nothing to test.
            guard let port = Self.freeIPv6Port else { return }
            options.moreClientURLs = ["http://[::1]:\(port)"]
        case .unix: options.moreClientURLs = ["unix://\(socketName)"]
        case .ipv4, .name, .tls, .unixs: break
        }
        if kind.isSecure {
            let urls = kind == .unixs ? ["unixs://\(socketName)"] : []
            try await withSecureEtcd(clientURLs: urls) { etcd in
                let endpoint = kind == .unixs ? urls[0] : etcd.endpoint
                try await expectRecovery(endpoint, etcd.tls, of: etcd.cluster.members[0])
            }
        } else {
            try await withEtcdCluster(options) { cluster in
                let port = try Endpoint(cluster.endpoints[0]).port
                let endpoint =
                    kind == .name ? "localhost:\(port)" : options.moreClientURLs.first ?? cluster.endpoints[0]
                try await expectRecovery(endpoint, nil, of: cluster.members[0])
            }
        }
    }

    private func expectRecovery(_ endpoint: String, _ tls: TLSConfiguration?, of member: EtcdMember) async throws {
        await member.kill()
        // As before the first start of etcd.
        if let path = try Endpoint(endpoint).socketPath { try? FileManager.default.removeItem(atPath: path) }
        var configuration = try EtcdClient.Configuration(endpoints: endpoint)
        configuration.tls = tls
        let log = EventLog()
        log.attach(to: &configuration)
        try await withEtcdClient(configuration) { client in
            for _ in 0..<2 {
                let failures = log.failures
                await expectError(.unavailable) { try await client.with(timeout: .milliseconds(400)).get("k") }
                #expect(log.failures > failures)
                // etcd 3.4 does not take over the socket of one that was killed.
                if let path = try Endpoint(endpoint).socketPath { try? FileManager.default.removeItem(atPath: path) }
                try await member.restart()
                #expect(try await client.get("k") == nil)
                await member.kill()
                try await eventually("the connection has ended") {
                    log.contains { if case .disconnected = $0 { true } else { false } }
                }
            }
        }
    }
}

extension EventLog {
    /// How many attempts to connect have failed.
    var failures: Int { count { if case .connectFailed = $0 { true } else { false } } }
}
