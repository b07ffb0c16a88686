// SPDX-License-Identifier: Apache-2.0

/// How a client protects its connections: TLS 1.2 or 1.3, with or without a certificate of its own.
///
/// ```swift
/// var configuration = try EtcdClient.Configuration(endpoints: "https://etcd-0:2379")
/// configuration.tls = TLSConfiguration(
///     trustedCertificates: .file("/etc/etcd/ca.pem"),
///     certificateChain: .file("/etc/etcd/client.pem"),
///     privateKey: .file("/etc/etcd/client-key.pem")
/// )
/// ```
///
/// Files are checked before each new connection, and read again when they have changed. So certificates can be replaced
/// while the client runs; open connections keep the old ones. A file that cannot be used fails the attempt to connect,
/// and the next attempt reads it again.
public struct TLSConfiguration: Sendable, Hashable {
    /// The certificates of the authorities that the client trusts; nil for those that the system trusts.
    public var trustedCertificates: PEMSource?
    /// The client's certificate, followed by the intermediate ones; nil for none.
    public var certificateChain: PEMSource?
    /// The key of the client's certificate; nil if ``certificateChain`` contains it.
    public var privateKey: PEMSource?
    /// The passphrase of the key; nil if it is not encrypted.
    public var passphrase: String?
    /// The DNS name or IP address that the certificates of all servers must be for; nil for the host of the endpoint.
    public var serverName: String?
    /// Accepts any certificate, or one for any name: an attacker in between can then read and change everything.
    ///
    /// For experiments only.
    public var dangerouslySkipsVerification = false

    /// Makes a configuration.
    ///
    /// - Parameters:
    ///   - trustedCertificates: The certificates of the authorities that the client trusts; nil for the system's.
    ///   - certificateChain: The client's certificate, followed by the intermediate ones.
    ///   - privateKey: The key of the client's certificate; nil if the chain contains it.
    ///   - passphrase: The passphrase of the key.
    ///   - serverName: The name that certificates must be for, instead of the host of the endpoint.
    public init(
        trustedCertificates: PEMSource? = nil,
        certificateChain: PEMSource? = nil,
        privateKey: PEMSource? = nil,
        passphrase: String? = nil,
        serverName: String? = nil
    ) {
        self.trustedCertificates = trustedCertificates
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.passphrase = passphrase
        self.serverName = serverName
    }

    /// Reads all files and checks that they can be used, as each new connection does.
    ///
    /// It waits for the file system, on the caller's thread.
    ///
    /// - Throws: ``EtcdError/Code/invalidArgument``, which names the file and the problem.
    public func validate() throws(EtcdError) {
        try checkConsistency()
        do {
            _ = try TLSContext(material())
        } catch {
            throw EtcdError(.invalidArgument, error.message)
        }
    }

    /// Refuses what cannot work, without reading a file.
    func checkConsistency() throws(EtcdError) {
        if privateKey != nil && certificateChain == nil {
            throw EtcdError(.invalidArgument, "tls.privateKey is of no use without tls.certificateChain")
        }
        if serverName?.isEmpty == true { throw EtcdError(.invalidArgument, "tls.serverName must not be empty") }
        // OpenSSL's limit.
        if passphrase?.utf8.count ?? 0 > 1023 {
            throw EtcdError(.invalidArgument, "tls.passphrase is longer than 1023 bytes")
        }
    }

    /// The material of the configuration's contexts.
    func material(_ role: TLSContext.Role = .http2Client) -> TLSMaterial {
        TLSMaterial(
            role: role,
            trusted: trustedCertificates,
            chain: certificateChain,
            key: privateKey,
            passphrase: passphrase,
            skipsVerification: dangerouslySkipsVerification
        )
    }

    /// Reads the certificates with which the client presents itself, its own first; none if it has none.
    ///
    /// It waits for the file system, on the caller's thread.
    ///
    /// - Throws: ``EtcdError/Code/invalidArgument``, which names the file and the problem.
    package func certificates() throws(EtcdError) -> [PeerCertificate] {
        do throws(TLSError) {
            let chain = try certificateChain?.load(as: "tls.certificateChain").certificates() ?? []
            return chain.enumerated().map { PeerCertificate($1, isLeaf: $0 == 0) }
        } catch {
            throw EtcdError(.invalidArgument, error.message)
        }
    }
}

extension TLSConfiguration: CustomStringConvertible, CustomReflectable {
    /// The configuration without the passphrase and without PEM.
    public var description: String {
        let trust = trustedCertificates?.description ?? "the system's authorities"
        var parts = [dangerouslySkipsVerification ? "NO VERIFICATION" : "trusts \(trust)"]
        if let certificateChain { parts.append("certificate \(certificateChain)") }
        if let privateKey { parts.append("key \(privateKey)") }
        if passphrase != nil { parts.append("with a passphrase") }
        if let serverName { parts.append("server name \(serverName)") }
        return "TLS (\(parts.joined(separator: ", ")))"
    }

    /// A mirror without the passphrase.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
