// SPDX-License-Identifier: Apache-2.0

extension EtcdCluster {
    /// The files, in PEM form, with which members serve clients by TLS.
    ///
    /// etcd reads the certificate and its key again for each connection, and the authorities only when it starts.
    public struct ServerTLS: Sendable {
        /// The certificate.
        public var certificateFile: String

        /// Its key.
        public var keyFile: String

        /// The authorities that vouch for clients, who must then have a certificate; nil if they need none.
        public var clientAuthoritiesFile: String?

        /// Files for TLS.
        ///
        /// - Parameters:
        ///   - certificateFile: The certificate.
        ///   - keyFile: Its key.
        ///   - clientAuthoritiesFile: The authorities that vouch for clients; nil if clients need no certificate.
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
    /// For its peers, for clients and, where those use TLS, for us.
    var portsPerMember: Int { tls == nil ? 2 : 3 }

    func clientURL(_ port: UInt16) -> String { "\(tls == nil ? "http" : "https")://127.0.0.1:\(port)" }

    /// All URLs a member listens at for clients, and for us.
    func listeners(_ clientURL: String, _ statePort: UInt16) -> String {
        let stateURLs = tls == nil ? [] : ["http://127.0.0.1:\(statePort)"]
        return ([clientURL] + stateURLs + moreClientURLs).joined(separator: ",")
    }
}
