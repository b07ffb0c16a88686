// SPDX-License-Identifier: Apache-2.0

/// The address of an etcd member: a host and a port.
///
/// Written `host:port` or `http://host:port`; the port is 2379 if it is left out. An IPv6 address stands in brackets,
/// as in `[::1]:2379`.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// The host name or IP address, without brackets.
    public let host: String
    /// The port.
    public let port: UInt16

    /// The port that etcd listens on unless told otherwise.
    public static let defaultPort: UInt16 = 2379

    /// Reads an endpoint from its text.
    ///
    /// - Parameter text: The endpoint, such as `10.0.0.1:2379`.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
    public init(_ text: String) throws(EtcdError) {
        func invalid(_ reason: String) -> EtcdError {
            EtcdError(.invalidEndpoint, "\"\(text)\" is not an endpoint: \(reason)")
        }
        var rest = text[...]
        if let separator = rest.firstRange(of: "://") {
            let scheme = rest[..<separator.lowerBound].lowercased()
            rest = rest[separator.upperBound...]
            switch scheme {
            case "http": break
            case "https", "unix", "unixs": throw invalid("\(scheme):// is not supported yet, only http://")
            default: throw invalid("unknown scheme \"\(scheme)\"; write host:port or http://host:port")
            }
        }
        if rest.hasSuffix("/") { rest.removeLast() }
        if rest.isEmpty { throw invalid("no host") }
        let isForbidden = { (scalar: Unicode.Scalar) in
            scalar.value <= 32 || scalar.value == 127 || "/?#@\\\"".unicodeScalars.contains(scalar)
        }
        if let bad = rest.unicodeScalars.first(where: isForbidden) {
            throw invalid("\(bad.debugDescription) does not belong here")
        }

        let portText: Substring?
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { throw invalid("\"[\" without \"]\"") }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            let tail = rest[rest.index(after: end)...]
            if !tail.isEmpty && !tail.hasPrefix(":") { throw invalid("expected \":\" and a port after \"]\"") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
            if !host.contains(":") { throw invalid("only an IPv6 address stands in brackets") }
        } else {
            let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count > 2 { throw invalid("an IPv6 address stands in brackets, as in [::1]:2379") }
            host = String(parts[0])
            portText = parts.count == 2 ? parts[1] : nil
        }
        if host.isEmpty { throw invalid("no host") }
        if let portText {
            guard portText.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(portText), port > 0 else {
                throw invalid("\"\(portText)\" is not a port (1 to 65535)")
            }
            self.port = port
        } else {
            port = Self.defaultPort
        }
    }

    /// Reads a list of endpoints, separated by commas, as `etcdctl --endpoints` takes it.
    ///
    /// - Parameter text: The endpoints.
    /// - Returns: At least one endpoint.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
    public static func list(_ text: String) throws(EtcdError) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            endpoints.append(try Endpoint(String(part)))
        }
        return endpoints
    }

    /// What HTTP/2 names the endpoint.
    var authority: String { description }

    /// The endpoint as `host:port`.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
