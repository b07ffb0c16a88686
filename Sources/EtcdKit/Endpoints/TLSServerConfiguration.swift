// SPDX-License-Identifier: Apache-2.0

/// How a server protects its connections: TLS 1.2 or 1.3, with a certificate, and optionally with client certificates.
///
/// Files are checked before each handshake, and read again when they have changed. While they cannot be used, the ones
/// that were read last stay in use.
public struct TLSServerConfiguration: Sendable, Hashable {
    /// The server's certificate, followed by those between it and its authority.
    public var certificateChain: PEMSource
    /// The key of the certificate; nil if it stands with ``certificateChain``.
    public var privateKey: PEMSource?
    /// The passphrase of the key; nil if it is not encrypted.
    public var passphrase: String?
    /// The certificates of the authorities of clients, which then must have a certificate; nil to let all clients in.
    public var clientAuthorities: PEMSource?

    /// Makes a configuration.
    ///
    /// - Parameters:
    ///   - certificateChain: The server's certificate, followed by those between it and its authority.
    ///   - privateKey: The key of the certificate; nil if it stands with the chain.
    ///   - passphrase: The passphrase of the key.
    ///   - clientAuthorities: The certificates of the authorities of clients; nil to let all clients in.
    public init(
        certificateChain: PEMSource,
        privateKey: PEMSource? = nil,
        passphrase: String? = nil,
        clientAuthorities: PEMSource? = nil
    ) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
        self.passphrase = passphrase
        self.clientAuthorities = clientAuthorities
    }

    /// The material of the configuration's contexts.
    var material: TLSMaterial {
        TLSMaterial(
            role: .server,
            trusted: clientAuthorities,
            chain: certificateChain,
            key: privateKey,
            passphrase: passphrase
        )
    }
}

extension TLSServerConfiguration: CustomStringConvertible, CustomReflectable {
    /// The configuration without the passphrase and without PEM.
    public var description: String {
        "TLS (certificate \(certificateChain)\(clientAuthorities.map { ", clients of \($0)" } ?? ""))"
    }

    /// A mirror without the passphrase.
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
