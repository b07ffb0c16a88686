// SPDX-License-Identifier: Apache-2.0

/// The material of a TLS context, or where it stands.
struct TLSMaterial: Sendable, Hashable {
    var role = TLSContext.Role.http2Client
    /// The authorities that may vouch for the peer; nil for the system's, or for none that vouch for clients.
    var trusted: PEMSource?
    /// The own certificate and those between it and its authority; a server must have one.
    var chain: PEMSource?
    var key: PEMSource?
    var passphrase: String?
    var skipsVerification = false

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
