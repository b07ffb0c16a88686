// SPDX-License-Identifier: Apache-2.0

/// Why a connection cannot be used.
struct ConnectionError: Error, Sendable, Hashable, CustomStringConvertible {
    enum Kind: Sendable {
        /// No connection was established.
        case refused
        /// There was no answer in time.
        case silent
        /// The server closed the connection before it sent anything.
        case unanswered
        /// There is no such host.
        case unknownHost
        /// The certificates or keys of this side cannot be used.
        case credentials
        /// The server does not speak HTTP/2 as it should.
        case protocolViolation
        /// The server takes no new streams.
        case draining
        /// One side does not accept the certificate of the other.
        case untrusted
        /// The connection broke.
        case lost
        /// This side has closed it.
        case closedByUs

        /// The client or the server is misconfigured, and waiting does not help.
        var isMisconfiguration: Bool {
            switch self {
            case .unknownHost, .credentials, .untrusted, .protocolViolation: true
            case .refused, .silent, .unanswered, .draining, .lost, .closedByUs: false
            }
        }
    }

    let kind: Kind
    let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    init(_ error: TLSError) {
        switch error.kind {
        case .credentials: self.init(.credentials, error.message)
        case .untrusted: self.init(.untrusted, error.message)
        case .protocolViolation: self.init(.protocolViolation, error.message)
        }
    }

    init(_ error: SocketAddress.LookupError) {
        self.init(error.isUnknown ? .unknownHost : .refused, error.description)
    }

    /// The server closes the connection, with its reason if it has given one; a `hint` says what may be wrong.
    init(closedByServer kind: Kind, _ goAway: HTTP2Session.GoAway?, hint: String?) {
        let text = "the server closed the connection"
        if let hint {
            self.init(.unanswered, "\(text) \(hint)")
        } else if let goAway, goAway.code != .noError {
            let debugData = goAway.debugData.isEmpty ? "" : " (\(goAway.debugData))"
            self.init(kind, "\(text): \(goAway.code)\(debugData)")
        } else {
            self.init(kind, text)
        }
    }

    /// Recognizes a server that answers in another protocol, from the first bytes it sends.
    init?(unexpectedGreeting bytes: UnsafeRawBufferPointer) {
        let isTLSRecord = bytes.count >= 2 && (20...23).contains(bytes[0]) && bytes[1] == 3
        if isTLSRecord {
            self.init(.protocolViolation, "the server speaks TLS here; use an https:// endpoint")
        } else if bytes.starts(with: Array("HTTP/1".utf8)) {
            self.init(.protocolViolation, "the server answers in HTTP/1: this is no etcd client port")
        } else {
            return nil
        }
    }

    var description: String { message }
}
