// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation

/// Files in a folder of their own, removed with the last reference.
final class CertificateFolder: Sendable {
    let path: String

    init() throws {
        let name = "etcd-kit-tls-\(String(UInt64.random(in: .min ... .max), radix: 16))"
        path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// Writes a file in one step and returns its path.
    @discardableResult
    func write(_ text: String, _ name: String) throws -> String {
        try text.write(toFile: path(of: name), atomically: true, encoding: .utf8)
        return path(of: name)
    }

    /// Writes `NAME.pem` and `NAME-key.pem`, each in one step, the certificate first.
    @discardableResult
    func write(_ certificate: TestCertificate, _ name: String) throws -> (certificate: String, key: String) {
        (try write(certificate.certificate, "\(name).pem"), try write(certificate.key, "\(name)-key.pem"))
    }
}

/// An etcd that serves by TLS, and the authority that has issued its certificate.
struct SecureEtcd {
    let authority: TestCertificateAuthority
    let folder: CertificateFolder
    let cluster: EtcdCluster

    /// As `https://127.0.0.1:PORT`.
    var endpoint: String { cluster.endpoints[0] }

    /// As `HOST:PORT`, without a scheme.
    func endpoint(host: String = "127.0.0.1") throws -> String { "\(host):\(try Endpoint(endpoint).port)" }

    /// Trusts the authority.
    var tls: TLSConfiguration { TLSConfiguration(trustedCertificates: .text(authority.certificate)) }

    /// A client of the endpoint, or of another one, that trusts the authority unless told otherwise.
    func withClient<Result>(
        _ endpoint: String? = nil,
        _ tls: TLSConfiguration? = nil,
        _ body: (EtcdClient) async throws -> Result
    ) async throws -> Result {
        var configuration = try EtcdClient.Configuration(endpoints: endpoint ?? self.endpoint)
        configuration.tls = tls ?? self.tls
        return try await withEtcdClient(configuration, body)
    }
}

/// Lends an etcd with a certificate that `issue` makes.
func withSecureEtcd(
    requiringClientCertificates: Bool = false,
    arguments: [String] = [],
    clientURLs: [String] = [],
    issue: (TestCertificateAuthority) throws -> TestCertificate = { try $0.issue("etcd") },
    prepare: (TestCertificateAuthority) throws -> Void = { _ in },
    _ body: (SecureEtcd) async throws -> Void
) async throws {
    let folder = try CertificateFolder()
    let authority = try TestCertificateAuthority()
    try prepare(authority)
    let files = try folder.write(try issue(authority), "server")
    let authorities = try folder.write(authority.certificate, "ca.pem")
    let tls = EtcdCluster.ServerTLS(
        certificateFile: files.certificate,
        keyFile: files.key,
        clientAuthoritiesFile: requiringClientCertificates ? authorities : nil
    )
    var options = EtcdCluster.Options(extraArguments: arguments)
    options.tls = tls
    options.moreClientURLs = clientURLs
    try await withEtcdCluster(options) { cluster in
        try await body(SecureEtcd(authority: authority, folder: folder, cluster: cluster))
    }
}
