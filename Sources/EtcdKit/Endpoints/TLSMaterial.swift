// SPDX-License-Identifier: Apache-2.0

/// The sources of the certificates and keys of a TLS context.
struct TLSMaterial: Sendable, Hashable {
    var role: TLSContext.Role
    var trusted: PEMSource?
    var chain: PEMSource?
    var key: PEMSource?
    var passphrase: String?
    var skipsVerification = false

    /// Reads the certificates and the key.
    func credentials() throws(TLSError) -> TLSContext.Credentials {
        let trustName = role == .server ? "tls.clientAuthorities" : "tls.trustedCertificates"
        return TLSContext.Credentials(
            role: role,
            trusted: try trusted?.load(as: trustName),
            chain: try chain?.load(as: "tls.certificateChain"),
            key: try key?.load(as: "tls.privateKey"),
            passphrase: passphrase,
            skipsVerification: skipsVerification
        )
    }

    /// The numbers that change with the files.
    func stamps() throws(TLSError) -> [[Int64]] {
        var stamps: [[Int64]] = []
        for source in sources { stamps.append(try source.stamp()) }
        return stamps
    }

    var hasFiles: Bool {
        sources.contains { if case .file = $0 { true } else { false } }
    }

    private var sources: [PEMSource] { [trusted, chain, key].compactMap(\.self) }
}
