// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// Clients of a real etcd that serves by TLS.
@Suite("TLS", .cluster, .timeLimit(.minutes(1)))
struct TLSTests {
    private func expectService(_ client: EtcdClient) async throws {
        try await client.put("key", "value")
        #expect(try await client.get("key")?.value == "value")
    }

    @Test("https:// and an endpoint without a scheme reach an etcd whose authority is trusted, by IP address and name")
    func trusted() async throws {
        try await withSecureEtcd { etcd in
            for endpoint in [etcd.endpoint, try etcd.endpoint(), try etcd.endpoint(host: "localhost")] {
                try await etcd.withClient(endpoint) { try await expectService($0) }
            }
            let file = TLSConfiguration(trustedCertificates: .file(etcd.folder.path(of: "ca.pem")))
            try await etcd.withClient(nil, file) { try await expectService($0) }
            let bytes = TLSConfiguration(trustedCertificates: .bytes(Array(etcd.authority.certificate.utf8)))
            try await etcd.withClient(nil, bytes) { try await expectService($0) }
        }
    }

    @Test("large values and many concurrent calls arrive in both directions")
    func volume() async throws {
        try await withSecureEtcd { etcd in
            try await etcd.withClient { client in
                let value = Value(bytes: (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) })
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for index in 0..<20 {
                        group.addTask {
                            try await client.put("large/\(index)", value)
                            #expect(try await client.get("large/\(index)")?.value == value)
                        }
                    }
                    for index in 0..<500 { group.addTask { try await client.put("small/\(index)", "\(index)") } }
                    try await group.waitForAll()
                }
                #expect(try await client.range(.prefix("small/")).entries.count == 500)
                #expect(try await client.range(.prefix("large/")).entries.count == 20)
            }
        }
    }

    @Test("a server name takes the place of the host, be it a name or an address")
    func serverName() async throws {
        let issue = { (authority: TestCertificateAuthority) in
            try authority.issue("etcd", hosts: ["etcd.example", "*.wild.example"], addresses: ["10.1.2.3"])
        }
        try await withSecureEtcd(issue: issue) { etcd in
            var tls = etcd.tls
            for name in ["etcd.example", "ETCD.example", "etcd.example.", "a.wild.example", "10.1.2.3"] {
                tls.serverName = name
                try await etcd.withClient(nil, tls) { try await expectService($0) }
            }
            for name in ["other.example", "a.b.wild.example", "10.1.2.4", "127.0.0.1", "etcd"] {
                tls.serverName = name
                try await etcd.withClient(nil, tls) { try await expectRefusal($0, saying: ["is not for \(name)"]) }
            }
        }
    }

    @Test("only the switch for no verification accepts a certificate of an unknown authority for another name")
    func noVerification() async throws {
        try await withSecureEtcd(issue: { try $0.issue("etcd", hosts: ["other"], addresses: []) }) { etcd in
            var tls = TLSConfiguration()
            try await etcd.withClient(nil, tls) { try await expectRefusal($0, saying: ["the system's"]) }
            tls.dangerouslySkipsVerification = true
            try await etcd.withClient(nil, tls) { try await expectService($0) }
        }
    }

    @Test("a client certificate, from files or bytes, with an encrypted key or in one file")
    func clientCertificate() async throws {
        try await withSecureEtcd(requiringClientCertificates: true) { etcd in
            let client = try etcd.authority.issue("client")
            let files = try etcd.folder.write(client, "client")
            let both = try etcd.folder.write(client.key + client.certificate, "both.pem")
            let locked = try etcd.authority.issue("client", passphrase: "open, sesame é")
            var configurations = [etcd.tls, etcd.tls, etcd.tls, etcd.tls]
            configurations[0].certificateChain = .file(files.certificate)
            configurations[0].privateKey = .file(files.key)
            configurations[1].certificateChain = .bytes(Array(client.certificate.utf8))
            configurations[1].privateKey = .bytes(Array(client.key.utf8))
            configurations[2].certificateChain = .file(both)
            configurations[3].certificateChain = .text(locked.certificate)
            configurations[3].privateKey = .text(locked.key)
            configurations[3].passphrase = "open, sesame é"
            for tls in configurations { try await etcd.withClient(nil, tls) { try await expectService($0) } }
            try await etcd.withClient { try await expectRefusal($0, saying: ["wants a client certificate"]) }
        }
    }

    @Test("a list of members cannot switch a client from TLS to plaintext")
    func endpointSync() async throws {
        try await withSecureEtcd { etcd in
            try await etcd.withClient(etcd.endpoint()) { client in
                let endpoints = try await client.syncEndpoints()
                // As configured, since it leads to the same place.
                #expect(endpoints == [try Endpoint(etcd.endpoint())])
                try await expectService(client)
            }
        }
        try await withSecureEtcd(arguments: ["--advertise-client-urls=http://127.0.0.1:1"]) { etcd in
            try await etcd.withClient { client in
                let endpoints = try await client.syncEndpoints()
                #expect(endpoints.map(\.description) == [etcd.endpoint])
            }
            // The control: a client that may use plaintext follows the list.
            try await etcd.withClient("\(etcd.endpoint),http://127.0.0.1:1") { client in
                let endpoints = try await client.syncEndpoints()
                #expect(endpoints.map(\.description) == ["127.0.0.1:1"])
            }
        }
    }

    @Test("watches and leases live on a TLS connection")
    func streams() async throws {
        try await withSecureEtcd { etcd in
            try await etcd.withClient { client in
                var events = client.watch(.prefix("w/"), from: 1).makeAsyncIterator()
                let lease = try await client.leases.grant(timeToLive: .seconds(60))
                try await client.put("w/1", "x", lease: lease.id)
                #expect(try await events.next()?.key == "w/1")
            }
        }
    }
}

/// Repeats a read that fails until its error has all of `reasons`.
func expectRefusal(
    _ client: EtcdClient,
    _ code: EtcdError.Code = .misconfigured,
    saying reasons: [String]
) async throws {
    var last: EtcdError?
    let client = client.with(timeout: .milliseconds(400))
    let deadline = ContinuousClock.now + .seconds(10)
    repeat {
        last = await #expect(throws: EtcdError.self) { try await client.get("k") }
        if reasons.allSatisfy({ last?.message.contains($0) == true }) { break }
    } while .now < deadline
    #expect(last?.code == code)
    #expect(reasons.allSatisfy { last?.message.contains($0) == true }, "\(reasons) in \(last?.message ?? "")")
}
