// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The parts of a URL to which messages are posted.
///
/// The URL is a secret, so errors never quote it.
struct ReceiverURL: Sendable {
    /// The server.
    let endpoint: Endpoint
    /// The scheme, the host and the port, unless it is the default port: the only parts that people see.
    let origin: String
    /// The value of the field `Host`.
    let host: String
    /// The value of the field `Authorization`, if the URL has a user and a password.
    let authorization: String?
    /// The URL and its parts, in the forms in which an answer might repeat them.
    let secrets: [String]
    private let path: String
    private let query: String

    init(_ text: String) throws(AlertChannelError) {
        func invalid(_ reason: String) -> AlertChannelError {
            AlertChannelError("the URL is not valid: \(reason)", isPermanent: true)
        }
        let schemes = [("https", "443"), ("http", "80")]
        guard let (scheme, ownPort) = schemes.first(where: { text.lowercased().hasPrefix("\($0.0)://") }) else {
            throw invalid("it must begin with https:// or http://")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw invalid("it contains white space or a control character")
        }
        // The part after `#` is never sent.
        let rest = text.dropFirst(scheme.count + 3).prefix { $0 != "#" }
        let authority = rest.prefix { !"/?\\".contains($0) }
        let target = rest[authority.endIndex...]
        path = String(target.prefix { $0 != "?" })
        query = String(target.dropFirst(path.count))

        let at = authority.lastIndex(of: "@")
        let userInfo = at.map { String(authority[..<$0]) }
        let place = at.map { authority[authority.index(after: $0)...] } ?? authority
        guard let (name, port) = Self.hostAndPort(place) else { throw invalid("it has no valid host and port") }
        guard let endpoint = try? Endpoint("\(scheme)://\(name):\(port ?? ownPort)") else {
            throw invalid("it has no valid host and port")
        }
        self.endpoint = endpoint
        host = port == nil || port == ownPort ? name : "\(name):\(port ?? ownPort)"
        origin = "\(scheme)://\(host)"

        var secrets = [text, String(rest), String(target), path, query]
        if let userInfo {
            guard let decoded = userInfo.removingPercentEncoding else {
                throw invalid("the user or the password has an invalid percent escape")
            }
            let encoded = Data((decoded.contains(":") ? decoded : "\(decoded):").utf8).base64EncodedString()
            authorization = "Basic \(encoded)"
            secrets += [userInfo, decoded, encoded] + decoded.split(separator: ":", maxSplits: 1).map(String.init)
        } else {
            authorization = nil
        }
        let pieces = target.split { "/?&=;".contains($0) }.map(String.init)
        secrets += pieces + pieces.compactMap(\.removingPercentEncoding)
        self.secrets = secrets.filter { $0.utf8.count > 3 }
    }

    /// The path and the query for the start line.
    ///
    /// - Parameter more: A text that is appended to the path.
    /// - Returns: The target.
    func target(adding more: String) -> String {
        let base = path.hasSuffix("/") && (!more.isEmpty) ? String(path.dropLast()) : path
        return (base + more).isEmpty ? "/\(query)" : base + more + query
    }

    /// Splits `host:port` or `[address]:port`.
    private static func hostAndPort(_ text: Substring) -> (host: String, port: String?)? {
        let end = text.hasPrefix("[") ? text.firstIndex(of: "]").map(text.index(after:)) : text.firstIndex(of: ":")
        guard let end = end ?? (text.hasPrefix("[") ? nil : text.endIndex) else { return nil }
        let (host, rest) = (text[..<end], text[end...])
        let isName = { (byte: UInt8) in byte.isToken && !"!#$%&'*+^`|~".utf8.contains(byte) }
        let isAddress = { (byte: UInt8) in byte.hexadecimalDigit != nil || ":.[]".utf8.contains(byte) }
        guard !host.isEmpty, host.utf8.allSatisfy(host.hasPrefix("[") ? isAddress : isName) else { return nil }
        if rest.isEmpty { return (String(host), nil) }
        guard rest.hasPrefix(":"), rest.dropFirst().utf8.allSatisfy({ $0.digit != nil }) else { return nil }
        return (String(host), rest.count == 1 ? nil : String(rest.dropFirst()))
    }
}
