// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The messages about certificates and keys that cannot be used.
@Suite("TLSConfiguration", .unit, .timeLimit(.minutes(1)))
struct TLSConfigurationTests {
    private let folder: CertificateFolder
    private let authority: TestCertificateAuthority
    private let client: TestCertificate

    init() throws {
        folder = try CertificateFolder()
        authority = try TestCertificateAuthority()
        client = try authority.issue("client")
    }

    private func reason(_ tls: TLSConfiguration) -> String {
        let error = #expect(throws: EtcdError.self) { try tls.validate() }
        #expect(error?.code == .invalidArgument)
        return error?.message ?? ""
    }

    @Test("valid configurations are accepted")
    func good() throws {
        try TLSConfiguration().validate()
        let pem = client.certificate + authority.certificate + client.key
        try TLSConfiguration(trustedCertificates: .text(pem), certificateChain: .text("a comment\n" + pem)).validate()
        let locked = try authority.issue("client", passphrase: "é")
        try TLSConfiguration(
            certificateChain: .text(locked.certificate),
            privateKey: .bytes(Array(locked.key.utf8)),
            passphrase: "é"
        ).validate()
    }

    @Test("errors about missing or empty files, folders and files without PEM name the file and the reason")
    func badFiles() throws {
        let missing = folder.path(of: "missing.pem")
        let empty = try folder.write("", "empty.pem")
        let noise = try folder.write("no PEM", "noise.pem")
        let damaged = try folder.write(client.certificate.replacing("MI", with: "XX"), "damaged.pem")
        let half = try folder.write(String(client.certificate.prefix(client.certificate.count / 2)), "half.pem")
        let expectations = [
            (missing, "No such file"), (empty, "empty"), (noise, "no certificate in PEM form"),
            (damaged, "cannot be read"), (half, "cannot be read"), (folder.path, ""),
        ]
        for (path, text) in expectations {
            for tls in [
                TLSConfiguration(trustedCertificates: .file(path)),
                TLSConfiguration(certificateChain: .file(path), privateKey: .text(client.key)),
            ] {
                let reason = reason(tls)
                #expect(reason.contains(path) && reason.contains(text), "\(reason)")
            }
        }
        for (path, text) in expectations {
            let text = text.contains("certificate") || path == half ? "key" : text
            let reason = reason(TLSConfiguration(certificateChain: .text(client.certificate), privateKey: .file(path)))
            #expect(reason.contains(path) && (path == damaged || reason.contains(text)), "\(reason)")
        }
    }

    @Test("errors about keys that do not fit, or need another passphrase, name the reason")
    func badKeys() throws {
        let other = try authority.issue("other")
        let locked = try authority.issue("client", passphrase: "secret")
        func reason(_ certificate: TestCertificate, key: String, _ passphrase: String? = nil) -> String {
            let chain = PEMSource.text(certificate.certificate)
            return self.reason(
                TLSConfiguration(certificateChain: chain, privateKey: .text(key), passphrase: passphrase)
            )
        }
        let mismatch =
            "the key in tls.privateKey is not that of CN=client, the first certificate in tls.certificateChain"
        #expect(reason(client, key: other.key) == mismatch)
        #expect(reason(locked, key: locked.key) == "the key in tls.privateKey is encrypted, and there is no passphrase")
        for wrong in ["wrong", "", "secret "] {
            #expect(reason(locked, key: locked.key, wrong).contains("wrong passphrase?"))
        }
        let alone = TLSConfiguration(privateKey: .text(client.key))
        #expect(self.reason(alone).contains("without tls.certificateChain"))
        let keyless = TLSConfiguration(certificateChain: .text(client.certificate))
        #expect(self.reason(keyless) == "tls.certificateChain has no private key in PEM form")
    }

    @Test("contradictions are refused when the client is made")
    func contradictions() throws {
        var configuration = try EtcdClient.Configuration(endpoints: "https://h:1")
        for tls in [
            TLSConfiguration(privateKey: .file("k")), TLSConfiguration(serverName: ""),
            TLSConfiguration(passphrase: String(repeating: "x", count: 1024)),
        ] {
            configuration.tls = tls
            #expect(throws: EtcdError.self) { try EtcdClient(configuration) }
        }
        configuration.tls = TLSConfiguration(trustedCertificates: .file("nowhere"))
        _ = try EtcdClient(configuration)
    }

    @Test("descriptions and dumps contain no secrets")
    func secrets() throws {
        var tls = TLSConfiguration(
            trustedCertificates: .file("/ca.pem"),
            certificateChain: .text(client.certificate),
            privateKey: .bytes(Array("SECRET-KEY".utf8)),
            passphrase: "SECRET-PASSPHRASE",
            serverName: "name"
        )
        var configuration = try EtcdClient.Configuration(endpoints: "h")
        configuration.tls = tls
        var dumped = ""
        dump(configuration, to: &dumped)
        dump(tls, to: &dumped)
        dump(PEMSource.text("SECRET"), to: &dumped)
        for text in ["\(tls)", String(reflecting: tls), "\(configuration)", String(reflecting: tls.privateKey), dumped]
        {
            #expect(!text.contains("SECRET") && !text.contains("BEGIN") && !text.contains("83, 69, 67"), "\(text)")
        }
        let start =
            "TLS (trusts /ca.pem, certificate \(client.certificate.utf8.count) bytes of PEM, key 10 bytes of PEM"
        #expect("\(tls)" == "\(start), with a passphrase, server name name)")
        tls.dangerouslySkipsVerification = true
        #expect("\(tls)".contains("NO VERIFICATION"))
    }

    @Test("mutated PEM is refused or read, without a crash", arguments: 0..<4)
    func fuzz(seed: UInt64) throws {
        let locked = try authority.issue("client", passphrase: "secret")
        let corpus = [client.certificate + client.key, client.key, locked.key, authority.certificate]
        var mutator = Mutator(corpus: corpus.map { Array($0.utf8) }, seed: seed)
        var refusals = 0
        for _ in 0..<400 {
            let pem = PEMSource.bytes(mutator.next())
            for var tls in [
                TLSConfiguration(certificateChain: pem),
                TLSConfiguration(certificateChain: .text(locked.certificate), privateKey: pem, passphrase: "secret"),
            ] {
                // Never the system's, which are many.
                tls.trustedCertificates = refusals % 2 == 0 ? pem : .text(authority.certificate)
                do { try tls.validate() } catch { refusals += 1 }
            }
        }
        #expect(refusals > 100)
    }
}
