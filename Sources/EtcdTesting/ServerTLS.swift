// SPDX-License-Identifier: Apache-2.0

extension EtcdCluster {
    /// The TLS files, in PEM form, of the members' client ports.
    ///
    /// etcd reads the certificate and its key again for each connection, but the authorities only at its start.
    public struct ServerTLS: Sendable {
        /// The certificate.
        public var certificateFile: String

        /// Its key.
        public var keyFile: String

        /// The authorities of client certificates, which are then required; nil if clients need no certificate.
        public var clientAuthoritiesFile: String?

        /// Makes the settings.
        ///
        /// - Parameters:
        ///   - certificateFile: The certificate.
        ///   - keyFile: Its key.
        ///   - clientAuthoritiesFile: The authorities of client certificates; nil if clients need none.
        public init(certificateFile: String, keyFile: String, clientAuthoritiesFile: String? = nil) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.clientAuthoritiesFile = clientAuthoritiesFile
        }

        var arguments: [String] {
            let own = ["--cert-file=\(certificateFile)", "--key-file=\(keyFile)"]
            return own + (clientAuthoritiesFile.map { ["--client-cert-auth", "--trusted-ca-file=\($0)"] } ?? [])
        }
    }
}

extension EtcdCluster.Options {
    /// A port for peers, a port for clients and, with TLS, a port for this process.
    var portsPerMember: Int { tls == nil ? 2 : 3 }

    func clientURL(_ port: UInt16) -> String { "\(tls == nil ? "http" : "https")://127.0.0.1:\(port)" }

    /// All URLs on which a member listens for clients and for this process.
    func listeners(_ clientURL: String, _ statePort: UInt16) -> String {
        let stateURLs = tls == nil ? [] : ["http://127.0.0.1:\(statePort)"]
        return ([clientURL] + stateURLs + moreClientURLs).joined(separator: ",")
    }
}
