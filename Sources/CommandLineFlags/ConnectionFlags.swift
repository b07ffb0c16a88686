// SPDX-License-Identifier: Apache-2.0

package import EtcdKit
import Foundation

/// The flags that say how etcd is reached, as etcdctl has them.
package struct ConnectionFlags: Sendable {
    /// Where etcd is, if that was said.
    package var endpoints: [Endpoint]?
    /// How to use TLS, if any of its flags was given.
    package var tls: TLSConfiguration?
    /// The user, and the password unless that is to be asked for.
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

    /// Takes the reader's newest flag, if it is one of these.
    ///
    /// - Returns: Whether it is.
    package mutating func take(_ reader: inout FlagReader) throws(UsageError) -> Bool {
        guard let flag = Flag.allCases.first(where: { "--\($0.rawValue)" == reader.flag }) else { return false }
        let text = flag == .insecureSkipTLSVerify ? reader.switchValue : try reader.value()
        try naming(reader.flag) { try set(flag, to: text) }
        return true
    }

    /// Sets what a flag says; the error does not name the flag.
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

    /// Changes the settings of TLS, and switches it on.
    package mutating func changeTLS(_ change: (inout TLSConfiguration) -> Void) {
        var configuration = tls ?? TLSConfiguration()
        change(&configuration)
        tls = configuration
    }

    /// Refuses flags that make no sense together.
    package func check() throws(UsageError) {
        if tls?.privateKey != nil && tls?.certificateChain == nil { throw UsageError("--key needs --cert") }
    }

    /// The configuration of a client by these flags, with certificates that have been read and found to be good.
    ///
    /// Asks for the password at the terminal if there is a user without one.
    ///
    /// - Parameter endpoints: Where etcd is.
    /// - Returns: A client's configuration.
    /// - Throws: ``UsageError`` without a terminal; `EtcdError` for files that cannot be used.
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
            // The message quotes the text, which has a password in it if it has a user.
            if text.contains("@") { throw UsageError("an endpoint has no user and no password in it; see --user") }
            throw UsageError(error.message)
        }
    }

    private static func user(_ text: String) throws(UsageError) -> (String, String?) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        if parts[0].isEmpty { throw UsageError("the name is empty") }
        return (parts[0], parts.count == 2 ? parts[1] : nil)
    }

    private static func askForPassword(of name: String) throws(UsageError) -> String {
        guard let password = getpass("Password of \(name): ") else { throw UsageError("--user: there is no password") }
        return String(cString: password)
    }
}
