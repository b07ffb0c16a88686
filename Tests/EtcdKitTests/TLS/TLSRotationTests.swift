// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// Certificates that are replaced while a client works.
@Suite("TLS rotation", .cluster, .timeLimit(.minutes(2)))
struct TLSRotationTests {
    /// Replaces all certificates, the authority's too, under calls whose connections are cut again and again.
    private func rotate(
        _ etcd: SecureEtcd,
        _ proxy: FaultProxy,
        _ client: EtcdClient,
        to successor: TestCertificateAuthority
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask {
                    // Reads, which may be repeated after the loss of a connection.
                    for _ in 0..<200 {
                        _ = try await client.get("worker/\(worker)")
                        try await Task.sleep(for: .milliseconds(5))
                    }
                }
            }
            for _ in 0..<5 { try await cut(proxy) }
            // First trust both authorities, then replace the certificates, then trust the new one only.
            try etcd.folder.write(etcd.authority.certificate + successor.certificate, "ca.pem")
            try await cut(proxy)
            try etcd.folder.write(successor.issue("client-2"), "client")
            try await cut(proxy)
            try etcd.folder.write(successor.issue("etcd-2"), "server")
            try await cut(proxy)
            try etcd.folder.write(successor.certificate, "ca.pem")
            for _ in 0..<5 { try await cut(proxy) }
            try await group.waitForAll()
        }
    }

    private func cut(_ proxy: FaultProxy) async throws {
        let count = await proxy.counters.acceptedConnections
        await proxy.cut()
        try await eventually("a new connection") { await proxy.counters.acceptedConnections > count }
    }

    /// Lends an etcd that trusts clients of both authorities.
    private func withRotation(
        _ body: (SecureEtcd, FaultProxy, TestCertificateAuthority) async throws -> Void
    ) async throws {
        let successor = try TestCertificateAuthority("successor")
        let authorities = try CertificateFolder()
        let both = authorities.path(of: "both.pem")
        let prepare = { (authority: TestCertificateAuthority) in
            _ = try authorities.write(authority.certificate + successor.certificate, "both.pem")
        }
        let arguments = ["--client-cert-auth", "--trusted-ca-file=\(both)"]
        try await withSecureEtcd(arguments: arguments, prepare: prepare) { etcd in
            try etcd.folder.write(etcd.authority.issue("client"), "client")
            try await withFaultProxy(to: try etcd.endpoint()) { proxy in try await body(etcd, proxy, successor) }
        }
    }

    @Test("files that change are used for the next connection, and no call fails meanwhile (jetcd#988)")
    func rotation() async throws {
        try await withRotation { etcd, proxy, successor in
            let tls = TLSConfiguration(
                trustedCertificates: .file(etcd.folder.path(of: "ca.pem")),
                certificateChain: .file(etcd.folder.path(of: "client.pem")),
                privateKey: .file(etcd.folder.path(of: "client-key.pem"))
            )
            try await etcd.withClient("https://\(proxy.endpoint)", tls) { client in
                try await rotate(etcd, proxy, client, to: successor)
                #expect(try await client.get("k") == nil)
            }
            // The new certificates are the ones in use: a client with the old authority is lost.
            let old = TLSConfiguration(trustedCertificates: .text(etcd.authority.certificate))
            try await etcd.withClient(nil, old) { try await expectRefusal($0, saying: ["unknown authority: CN=succ"]) }
        }
    }

    @Test("the control: a client that got the same certificates as bytes fails after the change")
    func control() async throws {
        try await withRotation { etcd, proxy, successor in
            let client = try etcd.authority.issue("client")
            var tls = etcd.tls
            tls.certificateChain = .text(client.certificate + client.key)
            try await etcd.withClient("https://\(proxy.endpoint)", tls) { client in
                #expect(try await client.get("k") == nil)
                try etcd.folder.write(successor.issue("etcd-2"), "server")
                await proxy.cut()
                try await expectRefusal(client, saying: ["unknown authority: CN=succ"])
            }
        }
    }
}
