// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The checked options of a channel.
struct SMTPSettings: Sendable {
    let endpoint: Endpoint
    let security: SMTPChannel.Security
    let tls: TLSConfiguration
    let login: SMTPLogin?
    let from: MailAddress
    let to: [MailAddress]
    let heloName: String
    let timeout: Duration

    /// Reads the options and checks them.
    ///
    /// - Throws: The first error, as a permanent error.
    init(_ options: SMTPChannel.Options) throws(AlertChannelError) {
        security = options.security
        tls = options.tls ?? TLSConfiguration()
        timeout = options.timeout
        if options.host.contains(":"), !options.host.allSatisfy({ $0.isHexDigit || ":.%".contains($0) }) {
            let reason = "host: \"\(options.host.oneLine.cut(to: 200))\" is not a host; the port is a separate setting"
            throw AlertChannelError(reason, isPermanent: true)
        }
        do throws(EtcdError) {
            endpoint = try Endpoint(Endpoint.authority(options.host, options.port ?? options.security.port))
            if security != .none { try tls.validate() }
        } catch {
            throw AlertChannelError(error.message.oneLine.cut(to: 300), isPermanent: true)
        }
        from = try MailAddress(options.from, setting: "from")
        var recipients: [MailAddress] = []
        for text in options.to { recipients.append(try MailAddress(text, setting: "to")) }
        if recipients.isEmpty { throw AlertChannelError("to: no recipient is set", isPermanent: true) }
        to = recipients
        heloName = try Self.heloName(options.heloName)
        login = try SMTPLogin(options)
    }

    /// The given name, or that of this machine if servers accept it.
    private static func heloName(_ given: String?) throws(AlertChannelError) -> String {
        guard let given else {
            let name = machineName
            // Servers may refuse a name without a domain, but not an address.
            return name.contains(".") && isName(name) ? name : "[127.0.0.1]"
        }
        let isAddress = given.hasPrefix("[") && given.hasSuffix("]") && isName(String(given.dropFirst().dropLast()))
        if !isAddress && !isName(given) {
            let reason = "heloName: \"\(given.oneLine.cut(to: 100))\" is neither a domain nor an address in brackets"
            throw AlertChannelError(reason, isPermanent: true)
        }
        return given
    }

    private static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { MailAddress.isLetterOrDigit($0) || ".-:".unicodeScalars.contains($0) }
    }

    private static var machineName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
