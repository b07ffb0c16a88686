// SPDX-License-Identifier: Apache-2.0

package import EtcdKit
import Foundation

/// The flags for the connection to etcd, named as in etcdctl.
package struct ConnectionFlags: Sendable {
    /// The endpoints, if the flag was given.
    package var endpoints: [Endpoint]?
    /// The TLS settings, if one of their flags was given.
    package var tls: TLSConfiguration?
    /// The user, with a password unless the program should ask for it.
    package var user: (name: String, password: String?)?
    package var dialTimeout = Duration.seconds(2)
    package var commandTimeout = Duration.seconds(5)

    package init() {}

    /// One of the flags.
    package enum Flag: String, CaseIterable, Sendable {
        case endpoints, cacert, cert, key
        case insecureSkipTLSVerify = "insecure-skip-tls-verify"
        case user
        case dialTimeout = "dial-timeout"
        case commandTimeout = "command-timeout"
    }

    /// Consumes the newest flag of the reader, if it is one of these.
    ///
    /// - Returns: Whether it is one of these.
    package mutating func take(_ reader: inout FlagReader) throws(UsageError) -> Bool {
        guard let flag = Flag.allCases.first(where: { "--\($0.rawValue)" == reader.flag }) else { return false }
        let text = flag == .insecureSkipTLSVerify ? reader.switchValue : try reader.value()
        try naming(reader.flag) { try set(flag, to: text) }
        return true
    }

    /// Sets the value of a flag.
    ///
    /// The error does not name the flag.
    package mutating func set(_ flag: Flag, to text: String) throws(UsageError) {
        switch flag {
        case .endpoints: endpoints = try Self.endpoints(text)
        case .cacert: changeTLS { $0.trustedCertificates = .file(text) }
        case .cert: changeTLS { $0.certificateChain = .file(text) }
        case .key: changeTLS { $0.privateKey = .file(text) }
        case .insecureSkipTLSVerify:
            let skips = try Bool(text: text)
            changeTLS { $0.dangerouslySkipsVerification = skips }
        case .user: user = try Self.user(text)
        case .dialTimeout: dialTimeout = try Duration(text: text)
        case .commandTimeout: commandTimeout = try Duration(text: text)
        }
    }

    /// Changes the TLS settings, and switches TLS on.
    package mutating func changeTLS(_ change: (inout TLSConfiguration) -> Void) {
        var configuration = tls ?? TLSConfiguration()
        change(&configuration)
        tls = configuration
    }

    /// Refuses invalid combinations of flags.
    package func check() throws(UsageError) {
        if tls?.privateKey != nil && tls?.certificateChain == nil { throw UsageError("--key needs --cert") }
    }

    /// The configuration of a client from these flags, with certificates that have been read and checked.
    ///
    /// If there is a user without a password, it asks for the password on the terminal.
    ///
    /// - Parameter endpoints: The endpoints of etcd.
    /// - Returns: A client's configuration.
    /// - Throws: ``UsageError`` without a terminal; `EtcdError` for invalid files.
    package func configuration(for endpoints: [Endpoint]) throws -> EtcdClient.Configuration {
        var configuration = EtcdClient.Configuration(endpoints: endpoints)
        configuration.connectTimeout = dialTimeout
        configuration.callTimeout = commandTimeout
        if let (name, password) = user {
            configuration.credentials = .user(name, password: try password ?? Self.askForPassword(of: name))
        }
        configuration.tls = tls
        try configuration.tls?.validate()
        return configuration
    }

    private static func endpoints(_ text: String) throws(UsageError) -> [Endpoint] {
        do {
            return try Endpoint.list(text)
        } catch {
            // The message would quote the text, which contains a password if it has a user.
            if text.contains("@") { throw UsageError("an endpoint must not contain a user or a password; see --user") }
            throw UsageError(error.message)
        }
    }

    private static func user(_ text: String) throws(UsageError) -> (String, String?) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts[0].isEmpty { throw UsageError("the name is empty") }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    private static func askForPassword(of name: String) throws(UsageError) -> String {
        guard let password = getpass("Password of \(name): ") else { throw UsageError("--user: no password") }
        return String(cString: password)
    }
}
