// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

/// Endpoints other than IPv4 ones, on a real etcd.
@Suite("Endpoint: kinds", .cluster, .timeLimit(.minutes(1)))
struct EndpointKindsTests {
    /// A name for a socket in the folder of this process, which etcd inherits; in the form that etcd 3.4 asks for.
    private let socketName = "etcdkit-\(UInt32.random(in: .min ... .max)):1"

    private func expectService(_ endpoint: String, _ tls: TLSConfiguration? = nil) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: endpoint)
        configuration.tls = tls
        try await withEtcdClient(configuration) { client in
            try await client.put("key", "value")
            #expect(try await client.get("key")?.value == "value")
        }
    }

    @Test("a unix socket, by its relative and its absolute path")
    func unixSocket() async throws {
        let folder = FileManager.default.currentDirectoryPath
        defer { try? FileManager.default.removeItem(atPath: "\(folder)/\(socketName)") }
        var options = EtcdCluster.Options()
        options.moreClientURLs = ["unix://\(socketName)"]
        try await withEtcdCluster(options) { _ in
            try await expectService("unix://\(socketName)")
            try await expectService("unix://\(folder)/\(socketName)", TLSConfiguration())
        }
        // The socket of an etcd that is gone, and one that never existed.
        for (name, reason) in [(socketName, "refused"), ("\(socketName)-not", "No such file")] {
            try await withEtcdClient(endpoints: "unix://\(name)") {
                try await expectRefusal($0, .unavailable, saying: ["unix://\(name)", reason])
            }
        }
    }

    @Test("a unix socket with TLS is for localhost")
    func secureUnixSocket() async throws {
        defer { try? FileManager.default.removeItem(atPath: socketName) }
        try await withSecureEtcd(clientURLs: ["unixs://\(socketName)"]) { etcd in
            try await expectService("unixs://\(socketName)", etcd.tls)
            var other = etcd.tls
            other.serverName = "other"
            try await etcd.withClient("unixs://\(socketName)", other) {
                try await expectRefusal($0, saying: ["unixs://\(socketName)", "is not for other"])
            }
        }
    }

    private static let freeIPv6Port = try? Socket.listening(
        on: Platform.addresses(of: "::1", port: 0, numeric: true).get()[0]
    ).localPort()

    @Test("an IPv6 address, plain and with TLS", .enabled(if: freeIPv6Port != nil, "there is no IPv6"))
    func ipv6() async throws {
        let port = try #require(Self.freeIPv6Port)
        var options = EtcdCluster.Options()
        options.moreClientURLs = ["http://[::1]:\(port)"]
        try await withEtcdCluster(options) { _ in
            try await expectService("[::1]:\(port)")
            try await expectService("http://[::1]:\(port)")
        }
        try await withSecureEtcd(clientURLs: ["https://[::1]:\(port)"]) { etcd in
            try await expectService("https://[::1]:\(port)", etcd.tls)
        }
    }
}
