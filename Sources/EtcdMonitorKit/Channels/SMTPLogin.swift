// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A user, the password, and the allowed login mechanisms.
struct SMTPLogin: Sendable {
    enum Mechanism: String, CaseIterable {
        case plain = "PLAIN"
        case login = "LOGIN"
    }

    let user: String
    let password: String
    /// The allowed mechanisms, the preferred one first.
    let mechanisms: [Mechanism]

    /// Makes the login of a channel; nil if it has none.
    ///
    /// - Throws: The reason why it cannot be used, without the password.
    init?(_ options: SMTPChannel.Options) throws(AlertChannelError) {
        func wrong(_ reason: String) -> AlertChannelError { AlertChannelError(reason, isPermanent: true) }
        guard let user = options.user else {
            if options.password != nil { throw wrong("password: user is not set") }
            return nil
        }
        guard let secret = options.password else { throw wrong("user: password is not set") }
        if options.security == .none && !(options.allowsPlaintextLogin && Self.isThisMachine(options.host)) {
            let hint = "use TLS, or allow it for a server on this machine"
            throw wrong("the password is not sent without TLS; \(hint)")
        }
        password = try secret.value()
        self.user = user
        if user.isEmpty || user.utf8.contains(0) { throw wrong("user: it is empty or contains a NUL") }
        if password.isEmpty || password.utf8.contains(0) { throw wrong("password: it is empty or contains a NUL") }
        if user.utf8.count + password.utf8.count > 4096 { throw wrong("user and password are too long") }
        switch options.authentication {
        case .automatic: mechanisms = Mechanism.allCases
        case .plain: mechanisms = [.plain]
        case .login: mechanisms = [.login]
        }
    }

    /// The encoded user and password of the protocol.
    var plainToken: String { Self.base64("\u{0}\(user)\u{0}\(password)") }
    var userToken: String { Self.base64(user) }
    var passwordToken: String { Self.base64(password) }

    /// All forms of the password that are sent.
    var secrets: [String] { [plainToken, passwordToken, password] }

    /// Whether the name or the address, with or without a port, is this machine.
    static func isThisMachine(_ host: String) -> Bool {
        if host.lowercased() == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
}
