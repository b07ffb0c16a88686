// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Why TLS cannot start or cannot go on.
struct TLSError: Error, Sendable, CustomStringConvertible {
    enum Kind: Sendable {
        /// The certificates or keys of this side cannot be used.
        case credentials
        /// One side does not accept the certificate of the other.
        case untrusted
        /// The server does not speak TLS, or violates its rules.
        case protocolViolation
    }

    let kind: Kind
    let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    var description: String { message }
}

/// The first entry of OpenSSL's queue of errors, of which each thread has its own.
struct OpenSSLError: Sendable, CustomStringConvertible {
    private let code: UInt

    /// Takes the entry and empties the queue.
    static func take() -> OpenSSLError {
        defer { ERR_clear_error() }
        return OpenSSLError(code: ERR_get_error())
    }

    /// The newest entry says that there was no more PEM to read.
    static var isEndOfPEM: Bool {
        let code = ERR_peek_last_error()
        return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE
    }

    /// OpenSSL's number of the reason, if its TLS part has failed.
    var tlsReason: Int32? {
        ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : nil
    }

    /// The number of the alert, if the peer has sent one.
    var alert: Int32? {
        guard let reason = tlsReason, (SSL_AD_REASON_OFFSET..<SSL_AD_REASON_OFFSET + 256).contains(reason) else {
            return nil
        }
        return reason - SSL_AD_REASON_OFFSET
    }

    var description: String {
        ERR_reason_error_string(code).map { String(cString: $0) } ?? (code == 0 ? "no reason" : "error \(code)")
    }
}
