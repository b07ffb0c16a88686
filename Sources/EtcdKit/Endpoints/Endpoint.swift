// SPDX-License-Identifier: Apache-2.0

/// The address of an etcd member: a host and a port, or a unix socket.
///
/// Written `host:port`, `http://host:port` or `https://host:port`; the port is 2379 if it is left out. An IPv6 address
/// is written in brackets, as in `[::1]:2379`. Without a scheme, the connection is protected by TLS if
/// ``EtcdClient/Configuration/tls`` is set; `http://` is always plaintext, and `https://` always TLS.
///
/// A unix socket is written `unix://` or, with TLS, `unixs://`, and its path, as in `unix:///run/etcd.sock`. etcd itself
/// names the sockets it listens on `unix://HOST:PORT`: the path is then `HOST:PORT`, relative to its folder.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    enum Scheme: String {
        case http, https, unix, unixs

        var isSecure: Bool { self == .https || self == .unixs }
    }

    /// The host name or IP address, without brackets; `localhost` for a unix socket.
    public let host: String
    /// The port; 0 for a unix socket.
    public let port: UInt16
    /// The path of the unix socket, if it is one.
    public let socketPath: String?
    /// The scheme; nil if the configuration decides whether to use TLS.
    let scheme: Scheme?
    /// The name of the server in a request.
    let authority: String

    /// The port that etcd listens on by default.
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
            let name = rest[..<separator.lowerBound].lowercased()
            rest = rest[separator.upperBound...]
            guard let known = Scheme(rawValue: name) else {
                throw invalid("unknown scheme \"\(name)\"; there are http, https, unix and unixs")
            }
            scheme = known
        } else {
            scheme = nil
        }
        if scheme == .unix || scheme == .unixs {
            if rest.isEmpty { throw invalid("no path of a socket") }
            if rest.utf8.contains(0) { throw invalid("\"\\0\" does not belong here") }
            if Platform.unixAddress(String(rest)) == nil { throw invalid("the path is too long for a unix socket") }
            (host, port, socketPath, authority) = ("localhost", 0, String(rest), "localhost")
            return
        }
        socketPath = nil
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
        authority = Self.authority(host, port)
    }

    /// The target of a dial: endpoints that are written differently may have the same target.
    struct Target: Hashable {
        let host: String
        let port: UInt16
        let socketPath: String?
        let isSecure: Bool
    }

    /// The target of a dial for the endpoint, by TLS or not.
    func target(isSecure: Bool) -> Target {
        Target(host: host.lowercased(), port: port, socketPath: socketPath, isSecure: isSecure)
    }

    /// A host and a port in one text, with brackets around an IPv6 address.
    package static func authority(_ host: String, _ port: some BinaryInteger) -> String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Reads a list of endpoints, separated by commas, as `etcdctl --endpoints` takes it.
    ///
    /// - Parameter text: The endpoints.
    /// - Returns: At least one endpoint.
    /// - Throws: ``EtcdError/Code/invalidEndpoint`` with the reason.
    public static func list(_ text: String) throws(EtcdError) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            if part.isEmpty {
                let reason = endpoints.isEmpty ? "nothing is before the first comma" : "nothing is after a comma"
                let complaint = text.isEmpty ? "it is empty" : reason
                throw EtcdError(.invalidEndpoint, "\"\(text)\" is not a list of endpoints: \(complaint)")
            }
            endpoints.append(try Endpoint(String(part)))
        }
        return endpoints
    }

    /// The endpoint as `host:port`, or with its scheme unless that is `http`.
    public var description: String {
        guard let scheme, scheme != .http else { return authority }
        return "\(scheme.rawValue)://\(socketPath ?? authority)"
    }
}
