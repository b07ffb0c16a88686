// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// The certificates of one side of TLS, its own and those that it trusts, ready for connections.
final class TLSContext: @unchecked Sendable {
    /// The side, and the protocol that it requires.
    enum Role: Sendable, Hashable {
        /// A client that requires HTTP/2 by ALPN.
        case http2Client
        /// A client that leaves the protocol to its user, without ALPN.
        case client
        /// A server, which wants a certificate of its clients if there are authorities for them.
        case server
    }

    // Sendable: nothing changes it after `init`, and OpenSSL counts the references to it atomically.
    let pointer: OpaquePointer
    let role: Role
    /// The name of the trusted authorities in messages.
    let trustName: String

    /// Makes a context; may read files and the system's certificates, which takes a while.
    init(_ material: TLSMaterial) throws(TLSError) {
        let trustSetting = material.role == .server ? "tls.clientAuthorities" : "tls.trustedCertificates"
        let trusted = try material.trusted?.load(as: trustSetting)
        let chain = try material.chain?.load(as: "tls.certificateChain")
        let key = try material.key?.load(as: "tls.privateKey")
        OpenSSL.prepare()
        let method = material.role == .server ? TLS_server_method() : TLS_client_method()
        guard let pointer = SSL_CTX_new(method) else {
            throw TLSError(.credentials, "OpenSSL cannot be used: \(OpenSSLError.take())")
        }
        self.pointer = pointer
        role = material.role
        trustName = trusted?.name ?? "the system's certificate authorities"

        try Self.check(COpenSSL_set_minimum_version(pointer, TLS1_2_VERSION) == 1, "the TLS versions")
        COpenSSL_forbid_renegotiation(pointer)
        COpenSSL_release_buffers(pointer)
        switch role {
        case .server:
            COpenSSL_forbid_resumption(pointer)
            if let trusted {
                let isRequired = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                SSL_CTX_set_verify(pointer, isRequired, TLSSession.noteVerification)
                try trust(trusted)
            }
        case .http2Client, .client:
            SSL_CTX_set_client_cert_cb(pointer, TLSSession.noteMissingCertificate)
            if material.skipsVerification {
                SSL_CTX_set_verify(pointer, SSL_VERIFY_NONE, nil)
            } else {
                SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, TLSSession.noteVerification)
                try trust(trusted)
            }
        }
        if role == .http2Client {
            let protocols = [UInt8(2)] + "h2".utf8
            try Self.check(SSL_CTX_set_alpn_protos(pointer, protocols, UInt32(protocols.count)) == 0, "ALPN")
        }
        if let chain { try present(chain, key: key ?? chain, passphrase: material.passphrase) }
    }

    deinit {
        SSL_CTX_free(pointer)
    }

    private func trust(_ authorities: TLSPEM?) throws(TLSError) {
        guard let authorities else {
            return try Self.check(SSL_CTX_set_default_verify_paths(pointer) == 1, trustName)
        }
        let store = SSL_CTX_get_cert_store(pointer)
        for certificate in try authorities.certificates() {
            try Self.check(X509_STORE_add_cert(store, certificate.pointer) == 1, authorities.name)
            // Clients choose their certificate by the names of those that a server trusts.
            if role == .server {
                try Self.check(SSL_CTX_add_client_CA(pointer, certificate.pointer) == 1, authorities.name)
            }
        }
        // A listed certificate is trusted, also if another authority has signed it.
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(pointer), UInt(X509_V_FLAG_PARTIAL_CHAIN))
    }

    private func present(_ chain: TLSPEM, key: TLSPEM, passphrase: String?) throws(TLSError) {
        let certificates = try chain.certificates()
        for (index, certificate) in certificates.enumerated() {
            let isAccepted =
                index == 0
                ? SSL_CTX_use_certificate(pointer, certificate.pointer)
                : COpenSSL_add_to_chain(pointer, certificate.pointer)
            try Self.check(isAccepted == 1, chain.name)
        }
        try key.withPrivateKey(passphrase: passphrase) { (privateKey) throws(TLSError) in
            ERR_clear_error()
            guard X509_check_private_key(certificates[0].pointer, privateKey) == 1 else {
                ERR_clear_error()
                let owner = "\(certificates[0].subject), the first certificate in \(chain.name)"
                throw TLSError(.credentials, "the key in \(key.name) is not that of \(owner)")
            }
            try Self.check(SSL_CTX_use_PrivateKey(pointer, privateKey) == 1, key.name)
        }
    }

    private static func check(_ isDone: Bool, _ what: String) throws(TLSError) {
        if !isDone { throw TLSError(.credentials, "OpenSSL refuses \(what): \(OpenSSLError.take())") }
    }
}
