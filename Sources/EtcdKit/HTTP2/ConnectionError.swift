// SPDX-License-Identifier: Apache-2.0

/// Why a connection cannot be used.
struct ConnectionError: Error, Sendable, CustomStringConvertible {
    enum Kind: Sendable {
        /// No connection came about.
        case refused
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
    }

    let kind: Kind
    let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    init(_ error: TLSError) {
        switch error.kind {
        case .credentials: self.init(.refused, error.message)
        case .untrusted: self.init(.untrusted, error.message)
        case .protocolViolation: self.init(.protocolViolation, error.message)
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
