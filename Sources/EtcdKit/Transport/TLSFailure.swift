// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What to say of a failed handshake.
enum TLSFailure {
    static let noHTTP2 = TLSError(
        .protocolViolation,
        "the server speaks TLS, but does not agree to HTTP/2 on it (ALPN): this is no etcd client port"
    )

    /// Recognizes a server that does not speak TLS, from the first bytes it sends.
    static func unexpectedGreeting(_ bytes: UnsafeRawBufferPointer) -> TLSError? {
        guard let first = bytes.first else { return nil }
        if (20...23).contains(first), bytes.count < 2 || bytes[1] == 3 { return nil }
        return TLSError(.protocolViolation, "the server does not speak TLS here; for plaintext use an http:// endpoint")
    }

    /// Why a certificate is not accepted, from OpenSSL's `X509_V_ERR_…`.
    ///
    /// The certificate is the server's own, if `isServer`, or that of an authority above it.
    static func describe(
        _ code: Int32,
        of certificate: TLSCertificate?,
        isServer: Bool,
        serverName: String,
        trustName: String
    ) -> String {
        let subject = certificate?.subject ?? "unknown"
        let who = isServer ? "the server's certificate (\(subject))" : "the authority \(subject) of the server"
        switch code {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            let names = certificate?.names.map { "only for \($0)" } ?? "names no host at all"
            return "\(who) is not for \(serverName), \(names)"
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

    /// What an error of OpenSSL means, be it an alert of the server or something that this side has found.
    ///
    /// `isCertificateMissing` says that the server has asked for a client certificate, and there is none.
    static func explain(_ error: OpenSSLError, isCertificateMissing: Bool, serverName: String) -> TLSError {
        let versions = "the server speaks no version of TLS that is safe (1.2 and 1.3 are)"
        if let alert = error.alert {
            let name = name(of: alert)
            switch alert {
            case SSL3_AD_HANDSHAKE_FAILURE where isCertificateMissing,
                SSL3_AD_BAD_CERTIFICATE, SSL3_AD_UNSUPPORTED_CERTIFICATE, SSL3_AD_CERTIFICATE_REVOKED,
                SSL3_AD_CERTIFICATE_EXPIRED, SSL3_AD_CERTIFICATE_UNKNOWN, TLS1_AD_UNKNOWN_CA, TLS1_AD_ACCESS_DENIED,
                TLS13_AD_CERTIFICATE_REQUIRED:
                return isCertificateMissing
                    ? TLSError(.untrusted, "the server wants a client certificate, and none is configured (\(name))")
                    : TLSError(.untrusted, "the server rejects the client certificate: \(name)")
            case TLS1_AD_PROTOCOL_VERSION: return TLSError(.protocolViolation, versions)
            case TLS1_AD_NO_APPLICATION_PROTOCOL: return noHTTP2
            case TLS1_AD_UNRECOGNIZED_NAME:
                return TLSError(.untrusted, "the server does not know the name \(serverName)")
            default:
                return TLSError(.protocolViolation, "the server gave TLS up: \(name)")
            }
        }
        switch error.tlsReason {
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION: return TLSError(.protocolViolation, versions)
        default: return TLSError(.protocolViolation, "TLS: \(error)")
        }
    }

    /// OpenSSL's words for an alert, such as `unknown CA`.
    private static func name(of alert: Int32) -> String {
        if alert == TLS13_AD_CERTIFICATE_REQUIRED { return "certificate required" }
        return String(cString: SSL_alert_desc_string_long(alert))
    }
}
