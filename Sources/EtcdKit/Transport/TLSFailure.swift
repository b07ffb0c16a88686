// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The message about a failed handshake.
enum TLSFailure {
    /// The other side.
    enum Peer: Sendable {
        case server(name: String)
        case client

        fileprivate var text: String {
            switch self {
            case .server: "the server"
            case .client: "the client"
            }
        }

        /// The name that its certificate must be for; any name for a client.
        fileprivate var expectedName: String {
            if case .server(let name) = self { name } else { "any name" }
        }
    }

    static let noHTTP2 = TLSError(
        .protocolViolation,
        "the server speaks TLS, but does not agree to HTTP/2 on it (ALPN): this is no etcd client port"
    )

    /// Recognizes a peer that does not speak TLS, from the first bytes it sends.
    static func unexpectedGreeting(_ bytes: UnsafeRawBufferPointer, of peer: Peer) -> TLSError? {
        guard let first = bytes.first else { return nil }
        if (20...23).contains(first), bytes.count < 2 || bytes[1] == 3 { return nil }
        let advice = if case .server = peer { "; for plaintext use an http:// endpoint" } else { "" }
        return TLSError(.protocolViolation, "\(peer.text) does not speak TLS here\(advice)")
    }

    /// Why a certificate is not accepted, from OpenSSL's `X509_V_ERR_…`.
    ///
    /// The certificate is the peer's own, if `isLeaf`, or that of an authority above it.
    static func describe(
        _ code: Int32,
        of certificate: TLSCertificate?,
        isLeaf: Bool,
        peer: Peer,
        trustName: String
    ) -> String {
        let subject = certificate?.subject ?? "unknown"
        let who = isLeaf ? "\(peer.text)'s certificate (\(subject))" : "the authority \(subject) of \(peer.text)"
        switch code {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            let names = certificate?.names.map { "only for \($0)" } ?? "names no host at all"
            return "\(who) is not for \(peer.expectedName), \(names)"
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "\(who) has expired: it was valid until \(certificate?.notAfter ?? "some time ago")"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "\(who) is not valid yet: it will be from \(certificate?.notBefore ?? "some time") on"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "\(who) is self-signed, and not in \(trustName)"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return "\(who) is unknown: it is not in \(trustName)"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "\(who) is of an unknown authority: \(certificate?.issuer ?? "it") is not in \(trustName)"
        default:
            return "\(who) is not accepted: \(String(cString: X509_verify_cert_error_string(Int(code))))"
        }
    }

    /// The meaning of an error of OpenSSL: an alert from the peer, or a problem that this side has found.
    ///
    /// `isCertificateMissing` says that the server has asked for a client certificate, and there is none.
    static func explain(_ error: OpenSSLError, isCertificateMissing: Bool, peer: Peer) -> TLSError {
        let versions = "\(peer.text) speaks no version of TLS that is safe (1.2 and 1.3 are)"
        if let alert = error.alert {
            let name = name(of: alert)
            switch alert {
            case SSL3_AD_HANDSHAKE_FAILURE where isCertificateMissing,
                SSL3_AD_BAD_CERTIFICATE, SSL3_AD_UNSUPPORTED_CERTIFICATE, SSL3_AD_CERTIFICATE_REVOKED,
                SSL3_AD_CERTIFICATE_EXPIRED, SSL3_AD_CERTIFICATE_UNKNOWN, TLS1_AD_UNKNOWN_CA, TLS1_AD_ACCESS_DENIED,
                TLS13_AD_CERTIFICATE_REQUIRED:
                if isCertificateMissing {
                    return TLSError(
                        .untrusted,
                        "\(peer.text) wants a client certificate, and none is configured (\(name))"
                    )
                }
                let own = if case .server = peer { "client" } else { "server" }
                return TLSError(.untrusted, "\(peer.text) rejects the \(own) certificate: \(name)")
            case TLS1_AD_PROTOCOL_VERSION: return TLSError(.protocolViolation, versions)
            case TLS1_AD_NO_APPLICATION_PROTOCOL: return noHTTP2
            case TLS1_AD_UNRECOGNIZED_NAME:
                return TLSError(.untrusted, "the server does not know the name \(peer.expectedName)")
            default:
                return TLSError(.protocolViolation, "\(peer.text) gave TLS up: \(name)")
            }
        }
        switch error.tlsReason {
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION: return TLSError(.protocolViolation, versions)
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return TLSError(.untrusted, "\(peer.text) has no certificate, and one is required")
        default: return TLSError(.protocolViolation, "TLS: \(error)")
        }
    }

    /// OpenSSL's words for an alert, such as `unknown CA`.
    private static func name(of alert: Int32) -> String {
        if alert == TLS13_AD_CERTIFICATE_REQUIRED { return "certificate required" }
        return String(cString: SSL_alert_desc_string_long(alert))
    }
}
