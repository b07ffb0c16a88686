// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension SMTPChannel {
    /// How the way to the server is protected.
    public enum Security: String, Sendable, Hashable, Codable, CaseIterable {
        /// The connection begins without TLS and changes to it at once. A server that does not offer it is refused.
        case startTLS
        /// The connection begins with TLS.
        case implicitTLS
        /// There is no protection: anyone on the way can read and change the mails.
        case none

        /// The usual port.
        var port: UInt16 {
            switch self {
            case .startTLS: 587
            case .implicitTLS: 465
            case .none: 25
            }
        }
    }

    /// How the channel logs in.
    public enum Authentication: String, Sendable, Hashable, Codable, CaseIterable {
        /// By `PLAIN` if the server offers it, or else by `LOGIN`.
        case automatic
        /// By `PLAIN`.
        case plain
        /// By `LOGIN`.
        case login
    }

    /// The server, the login and the addresses.
    public struct Options: Sendable, Hashable {
        /// The server's name or IP address.
        public var host: String
        /// The server's port; nil for 587, 465 or 25, as ``security`` has it.
        public var port: UInt16?
        /// How the way to the server is protected.
        public var security: Security
        /// The user; nil for no login.
        public var user: String?
        /// The password.
        public var password: Secret?
        /// The sender, such as `etcd monitor <etcd@example.com>`.
        public var from: String
        /// The recipients, one address each.
        public var to: [String]
        /// The authorities that may vouch for the server, and more; nil for those that the system trusts.
        public var tls: TLSConfiguration?
        /// How long a mail may take in all.
        public var timeout: Duration
        /// How the channel logs in.
        public var authentication: Authentication
        /// The password may be sent without TLS, but only to this machine.
        public var allowsPlaintextLogin: Bool
        /// The name by which the channel greets the server; nil for the name of this machine.
        public var heloName: String?
        /// People are told when an alert is over.
        public var sendsResolved: Bool

        /// Makes options.
        ///
        /// - Parameters:
        ///   - host: The server's name or IP address.
        ///   - port: The server's port; nil for the usual one.
        ///   - security: How the way to the server is protected.
        ///   - user: The user; nil for no login.
        ///   - password: The password.
        ///   - from: The sender.
        ///   - to: The recipients, one address each.
        ///   - tls: The authorities that may vouch for the server, and more.
        ///   - timeout: How long a mail may take in all.
        ///   - authentication: How the channel logs in.
        ///   - allowsPlaintextLogin: The password may be sent without TLS, but only to this machine.
        ///   - heloName: The name by which the channel greets the server.
        ///   - sendsResolved: People are told when an alert is over.
        public init(
            host: String,
            port: UInt16? = nil,
            security: Security = .startTLS,
            user: String? = nil,
            password: Secret? = nil,
            from: String,
            to: [String],
            tls: TLSConfiguration? = nil,
            timeout: Duration = .seconds(30),
            authentication: Authentication = .automatic,
            allowsPlaintextLogin: Bool = false,
            heloName: String? = nil,
            sendsResolved: Bool = true
        ) {
            self.host = host
            self.port = port
            self.security = security
            self.user = user
            self.password = password
            self.from = from
            self.to = to
            self.tls = tls
            self.timeout = timeout
            self.authentication = authentication
            self.allowsPlaintextLogin = allowsPlaintextLogin
            self.heloName = heloName
            self.sendsResolved = sendsResolved
        }
    }
}
