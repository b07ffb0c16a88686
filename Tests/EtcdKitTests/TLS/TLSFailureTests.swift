// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The messages of a client that cannot connect to a real etcd by TLS.
@Suite("TLS failures", .cluster, .timeLimit(.minutes(2)))
struct TLSFailureTests {
    @Test(
        "the error names an expired or future certificate with its date and the endpoint",
        arguments: [(.expired, "has expired: it was valid until"), (.future, "is not valid yet: it will be from")]
            as [(TestCertificateAuthority.Validity, String)]
    )
    func time(validity: TestCertificateAuthority.Validity, message: String) async throws {
        try await withSecureEtcd(issue: { try $0.issue("etcd", validity: validity) }) { etcd in
            try await etcd.withClient { try await expectRefusal($0, saying: [etcd.endpoint, "CN=etcd", message]) }
        }
    }

    @Test("errors for a wrong name, an unknown authority, and TLS on one side only name the endpoint")
    func wrongPeers() async throws {
        try await withSecureEtcd(issue: { try $0.issue("etcd", hosts: ["a.example"], addresses: ["10.1.1.1"]) }) {
            etcd in
            let names = "DNS:a.example, IP Address:10.1.1.1"
            for host in ["127.0.0.1", "localhost"] {
                let endpoint = "https://\(try etcd.endpoint(host: host))"
                try await etcd.withClient(endpoint) {
                    try await expectRefusal($0, saying: [endpoint, "is not for \(host), only for \(names)"])
                }
            }
            let stranger = TLSConfiguration(trustedCertificates: .text(try TestCertificateAuthority().certificate))
            try await etcd.withClient(nil, stranger) {
                try await expectRefusal($0, saying: [etcd.endpoint, "of an unknown authority: CN=EtcdTesting"])
            }
            try await etcd.withClient("http://\(try etcd.endpoint())") {
                try await expectRefusal($0, saying: [try etcd.endpoint(), "https://"])
            }
        }
        try await withEtcdCluster { cluster in
            let endpoint = "https://\(cluster.endpoints[0])"
            try await withEtcdClient(endpoints: endpoint) {
                try await expectRefusal($0, saying: [endpoint, "http://"])
            }
        }
    }

    @Test("the error for a missing or refused client certificate names the reason and the endpoint")
    func clientCertificates() async throws {
        try await withSecureEtcd(requiringClientCertificates: true) { etcd in
            func expectRefusal(_ certificate: TestCertificate?, saying reasons: [String]) async throws {
                var tls = etcd.tls
                tls.certificateChain = certificate.map { .text($0.certificate + $0.key) }
                try await etcd.withClient(nil, tls) {
                    try await EtcdKitTests.expectRefusal($0, saying: reasons + [etcd.endpoint])
                }
            }
            try await expectRefusal(nil, saying: ["wants a client certificate, and none is configured"])
            let foreign = try TestCertificateAuthority().issue("client")
            try await expectRefusal(foreign, saying: ["the server rejects the client certificate: "])
            let expired = try etcd.authority.issue("client", validity: .expired)
            try await expectRefusal(expired, saying: ["the server rejects the client certificate: "])
            // The control.
            var tls = etcd.tls
            let good = try etcd.authority.issue("client")
            tls.certificateChain = .text(good.certificate + good.key)
            try await etcd.withClient(nil, tls) { _ = try await $0.get("k") }
        }
    }

    @Test("a file that cannot be used fails the attempt, and the next one reads it again")
    func badFile() async throws {
        try await withSecureEtcd { etcd in
            let path = etcd.folder.path(of: "later.pem")
            try await etcd.withClient(nil, TLSConfiguration(trustedCertificates: .file(path))) { client in
                try await expectRefusal(client, saying: [etcd.endpoint, "cannot read \(path): No such file"])
                try etcd.folder.write(String(etcd.authority.certificate.prefix(200)), "later.pem")
                try await expectRefusal(client, saying: [etcd.endpoint, path, "cannot be read"])
                try etcd.folder.write(etcd.authority.certificate, "later.pem")
                #expect(try await client.get("k") == nil)
            }
        }
    }
}
