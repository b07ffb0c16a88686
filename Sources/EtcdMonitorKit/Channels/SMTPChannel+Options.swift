// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

extension SMTPChannel {
    /// The protection of the connection to the server.
    public enum Security: String, Sendable, Hashable, Codable, CaseIterable {
        /// The connection begins without TLS and switches to it at once. A server that does not offer TLS is refused.
        case startTLS
        /// The connection begins with TLS.
        case implicitTLS
        /// No protection: anyone in between can read and change the mails.
        case none

        /// The default port.
        var port: UInt16 {
            switch self {
            case .startTLS: 587
            case .implicitTLS: 465
            case .none: 25
            }
        }
    }

    /// The login mechanism.
    public enum Authentication: String, Sendable, Hashable, Codable, CaseIterable {
        /// `PLAIN` if the server offers it, otherwise `LOGIN`.
        case automatic
        /// `PLAIN`.
        case plain
        /// `LOGIN`.
        case login
    }

    /// The server, the login and the addresses.
    public struct Options: Sendable, Hashable {
        /// The server's name or IP address.
        public var host: String
        /// The server's port; nil for 587, 465 or 25, depending on ``security``.
        public var port: UInt16?
        /// The protection of the connection to the server.
        public var security: Security
        /// The user; nil for no login.
        public var user: String?
        /// The password.
        public var password: Secret?
        /// The sender, such as `etcd monitor <etcd@example.com>`.
        public var from: String
        /// The recipients, one address each.
        public var to: [String]
        /// The trusted authorities and other TLS settings; nil for the authorities that the system trusts.
        public var tls: TLSConfiguration?
        /// The longest duration of the delivery of a mail.
        public var timeout: Duration
        /// The login mechanism.
        public var authentication: Authentication
        /// Whether the password may be sent without TLS to a server on this machine.
        public var allowsPlaintextLogin: Bool
        /// The name in the greeting to the server; nil for the name of this machine.
        public var heloName: String?
        /// Whether people are notified when an alert is resolved.
        public var sendsResolved: Bool

        /// Makes options.
        ///
        /// - Parameters:
        ///   - host: The server's name or IP address.
        ///   - port: The server's port; nil for the default port.
        ///   - security: The protection of the connection to the server.
        ///   - user: The user; nil for no login.
        ///   - password: The password.
        ///   - from: The sender.
        ///   - to: The recipients, one address each.
        ///   - tls: The trusted authorities and other TLS settings.
        ///   - timeout: The longest duration of the delivery of a mail.
        ///   - authentication: The login mechanism.
        ///   - allowsPlaintextLogin: Whether the password may be sent without TLS to a server on this machine.
        ///   - heloName: The name in the greeting to the server.
        ///   - sendsResolved: Whether people are notified when an alert is resolved.
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
